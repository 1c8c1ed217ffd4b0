/** The command line: which commands there are, and how each ends. */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../../src/version.js';
import { addAskingCommands } from './asking-commands.js';
import { complain, EXIT, exitCodeOf } from './failure.js';
import { frameOf } from './frame.js';
import { addPollCommands } from './poll-commands.js';
import { addQueueCommands } from './queue-commands.js';
import { addReportCommands } from './report-commands.js';
import { addRunningCommands } from './running-commands.js';
import { addSetupCommands } from './setup-commands.js';
import { addUsage } from './usage.js';

/** Runs one command. @returns its exit code */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = describeProgram((code) => {
    exitCode = code;
  });
  addUsage(program);
  try {
    await program.parseAsync([...words], { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has printed its own errors and helps.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    complain(error);
    return exitCodeOf(error);
  }
}

/** The whole program, to run it or to read what it consists of. */
export function describeProgram(exitWith: (code: number) => void = () => undefined): Command {
  const program = new Command('warmline')
    .description('Keeps model sessions warm and answers the questions on a memory bus.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({ outputError: (text) => complain(withoutValue(text)) });
  const frame = frameOf(program, exitWith);

  program.commandsGroup('Run:');
  addRunningCommands(frame);
  addPollCommands(frame);

  program.commandsGroup('Ask:');
  addAskingCommands(frame);

  program.commandsGroup('Look after:');
  addReportCommands(frame);
  addQueueCommands(frame);

  program.commandsGroup('Set up and try out:');
  addSetupCommands(frame);

  return program;
}

/** Commander repeats the value of a flag it does not know: it could be a key. */
function withoutValue(text: string): string {
  return text.replace(/^error: /, '').replace(/^(unknown option '[^'=]*)=[^\n]*'/, "$1'");
}

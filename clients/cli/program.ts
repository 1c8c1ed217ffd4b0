/** The command line: which commands there are, and how each ends. A command's code loads when it runs. */
import { Command, CommanderError } from 'commander';
import { VERSION } from '../../src/version.js';
import { complain, EXIT, exitCodeOf } from './failure.js';
import {
  dayCount,
  milliseconds,
  questionIds,
  type Words,
  withAlias,
  withSetting,
  withSettings,
} from './options.js';
import { addQueueCommands } from './queue-commands.js';
import { AUTOPOLL, BRIDGE, PAIR } from './sections.js';

/** Runs one command. @returns its exit code */
export async function runCommandLine(words: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = describe((code) => {
    exitCode = code;
  });
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

/** Variadic arguments come as one list. */
type Argument = string & readonly string[];
type Action = (words: Words, ...given: Argument[]) => Promise<number>;

function describe(exitWith: (code: number) => void): Command {
  const program = new Command('warmline')
    .description('Keeps model sessions warm and answers the questions on a memory bus.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureOutput({ outputError: (text) => complain(withoutValue(text)) });

  const command = (name: string, summary: string) => program.command(name).description(summary);
  /**
   * Commander hands over the arguments, then the options, then the command itself. A command inside
   * another may find its own options taken by that one.
   */
  const run =
    (load: () => Promise<Action>) =>
    async (...given: unknown[]) => {
      const [, taken] = given.splice(-2) as [unknown, Command];
      exitWith(await (await load())(taken.optsWithGlobals(), ...(given as Argument[])));
    };

  withSettings(
    command('up', 'run the bridge and autopoll together, on one machine').option(
      '--create',
      'make an empty bus when the file does not exist',
    ),
    ...PAIR,
  ).action(run(async () => (await import('./commands/up.js')).up));

  const serve = withSettings(
    command('serve', 'run the bridge: warm sessions behind a TCP port'),
    ...BRIDGE,
  );
  withAlias(serve, '--concurrency', 'maxSessions').action(
    run(async () => (await import('./commands/serve.js')).serve),
  );

  withSettings(
    command('autopoll', 'answer the questions on a memory bus through the bridge')
      .option('--once', 'answer what is there, then end')
      .option('--json', 'with --once: print the summary as JSON'),
    ...AUTOPOLL,
  ).action(run(async () => (await import('./commands/autopoll.js')).autopoll));

  withSettings(
    command('ask', 'ask the bridge a question and print the answer with its sources')
      .argument('<question>', 'the question')
      .option('--context <FILE>', 'document to answer from, below a context root of the bridge')
      .option('--session <KEY>', 'sticky session: questions with the same key share a context')
      .option('--model <NAME>', 'model to ask')
      .option('--timeout <MS>', 'longest wait for the answer', milliseconds)
      .option('--stream', 'print the answer as it comes')
      .option('--json', 'print the whole response as JSON'),
    'address',
  ).action(run(async () => (await import('./commands/ask.js')).ask));

  withSettings(
    command('send', 'put a question on a memory bus')
      .argument('<question>', 'the question')
      .option('--conversation <ID>', 'conversation to ask in (default: a new one)')
      .option('--context <FILE>', 'document to answer from')
      .option('--model <NAME>', 'model to ask')
      .option(
        '--depends-on <IDS>',
        'questions to be answered first: message ids or query ids with commas between them',
        questionIds,
      )
      .option('--create', 'make an empty bus when the file does not exist')
      .option('--wait', 'wait for the answer and print it')
      .option('--timeout <MS>', 'longest wait for the answer (default: 300000)', milliseconds)
      .option('--json', 'print the result as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/send.js')).send));

  withSettings(
    command('stats', 'print counts and times of a running bridge, and of a bus with --db').option(
      '--json',
      'print them as JSON',
    ),
    'address',
    'bus',
  ).action(run(async () => (await import('./commands/stats.js')).stats));

  withSettings(
    command('backup', 'copy a bus that is in use, and prove the copy whole')
      .requiredOption('--out <FILE>', 'where the copy goes')
      .option('--force', 'replace a file that is there already')
      .option('--json', 'print the result as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/backup.js')).backup));

  withSettings(
    command('sessions', 'print the sessions of a running bridge').option(
      '--json',
      'print them as JSON',
    ),
    'address',
  ).action(run(async () => (await import('./commands/sessions.js')).sessions));

  withSettings(
    command('doctor', 'look for what could go wrong, and say how to put it right').option(
      '--json',
      'print the findings as JSON',
    ),
    'address',
    'bus',
    'engine',
    'context',
    'server',
  ).action(run(async () => (await import('./commands/doctor.js')).doctor));

  addQueueCommands({ command, run });

  withSettings(
    command('timeouts', 'print how long turns take and may take, and change how long they may')
      .argument('[action]', 'set: change how long a turn may take')
      .argument('[value]', 'milliseconds, or default to take a time-out away')
      .option('--conversation <ID>', 'with set: only turns of this conversation')
      .option('--engine <NAME>', 'with set: only turns of this engine')
      .option('--apply', 'print which time-outs ought to be others')
      .option('--yes', 'with --apply: change them')
      .option('--json', 'print the result as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/timeouts.js')).timeouts));

  withSettings(
    command('metrics', 'print the figures of each day, by conversation and engine')
      .option('--day <YYYY-MM-DD>', 'only this day of UTC')
      .option('--days <N>', 'the last days, today included (default: 7)', dayCount)
      .option('--json', 'print them as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/metrics.js')).metrics));

  withSetting(
    command('demo', 'show the whole way of a question, on a bus made for it').option(
      '--once',
      'stop after the answer',
    ),
    'port',
  ).action(run(async () => (await import('./commands/demo.js')).demo));

  command('fake-model', 'run a model API without a model, to try engines out')
    .option('--host <HOST>', 'loopback address to listen on', '127.0.0.1')
    .option('--port <N>', 'port to listen on; 0 takes a free one', '0')
    .option('--delay-ms <MS>', 'silence before each answer', milliseconds)
    .option('--script <WORDS>', 'what to do with every request, such as "status=429 reset=60"')
    .option('--json', 'log in JSON lines on a terminal, too')
    .action(run(async () => (await import('./commands/fake-model.js')).fakeModel));

  return program;
}

/** Commander repeats the value of a flag it does not know: it could be a key. */
function withoutValue(text: string): string {
  return text.replace(/^error: /, '').replace(/^(unknown option '[^'=]*)=[^\n]*'/, "$1'");
}

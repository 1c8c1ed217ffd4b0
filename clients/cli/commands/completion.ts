import { completionScript } from '../completion/index.js';
import type { Shell } from '../completion/shells.js';
import { describedCommands } from '../description.js';
import { EXIT } from '../failure.js';
import type { Words } from '../options.js';
import { describeProgram } from '../program.js';

/** @param shell one that the command line has checked */
export async function completion(_words: Words, shell: string): Promise<number> {
  process.stdout.write(completionScript(shell as Shell, describedCommands(describeProgram())));
  return EXIT.ok;
}

/** Scripts that complete the words of `warmline` in a shell. */
import type { DescribedCommand } from '../description.js';
import { bashCompletion } from './bash.js';
import { fishCompletion } from './fish.js';
import type { Shell } from './shells.js';
import { zshCompletion } from './zsh.js';

const SCRIPTS: Record<Shell, (commands: readonly DescribedCommand[]) => string> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export function completionScript(shell: Shell, commands: readonly DescribedCommand[]): string {
  return SCRIPTS[shell](commands);
}

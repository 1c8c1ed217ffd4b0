/** How a person calls this program from where they are, in lines they can copy. */
import { relative } from 'node:path';
import { shellWord } from './output.js';

export function thisProgram(): string {
  const script = process.argv[1] ?? 'warmline';
  return script.endsWith('.js') ? `node ${shellWord(relative(process.cwd(), script))}` : 'warmline';
}

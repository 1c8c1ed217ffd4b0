import { EXIT } from '../failure.js';
import type { Words } from '../options.js';
export async function doctor(_words: Words): Promise<number> {
  return EXIT.ok;
}

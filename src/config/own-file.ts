import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { ConfigError } from '../errors.js';

const OTHERS = 0o077;
/** Nothing that is kept in such a file is longer, in bytes. */
const MAX_BYTES = 16_384;

/**
 * The text of a file that nobody but its owner can read: what is in it is a secret.
 * @param what the file as errors call it, `token file`
 * @param make the command that makes one
 * @throws ConfigError with the command that puts it right
 */
export function readOwn(file: string, what: string, make: string): string {
  let descriptor: number;
  try {
    // Without waiting: a pipe of that name would hold the start for ever.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new ConfigError(`cannot read the ${what} ${file}; make one: ${make}`, { cause });
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new ConfigError(`the ${what} ${file} is not a file`);
    if ((stats.mode & OTHERS) !== 0) {
      throw new ConfigError(`others can read the ${what} ${file}; run: chmod 600 ${file}`);
    }
    const bytes = Buffer.alloc(MAX_BYTES);
    return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, MAX_BYTES, 0));
  } finally {
    closeSync(descriptor);
  }
}

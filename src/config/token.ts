import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { ConfigError } from '../errors.js';

/** Shorter ones can be guessed. */
const MIN_TOKEN_CHARS = 16;
const MAX_TOKEN_CHARS = 4096;

const OTHERS = 0o077;

/**
 * The token in a file that nobody but its owner can read.
 * @throws ConfigError with the command that puts it right
 */
export function readToken(file: string): string {
  const token = readOwn(file).trim();
  if (token.length < MIN_TOKEN_CHARS || token.length > MAX_TOKEN_CHARS) {
    throw new ConfigError(
      `the token in ${file} must have ${MIN_TOKEN_CHARS} to ${MAX_TOKEN_CHARS} characters; make one: openssl rand -hex 32 > ${file}`,
    );
  }
  return token;
}

function readOwn(file: string): string {
  let descriptor: number;
  try {
    // Without waiting: a pipe of that name would hold the start for ever.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    throw new ConfigError(
      `cannot read the token file ${file}; make one: (umask 077; openssl rand -hex 32 > ${file})`,
      { cause },
    );
  }
  try {
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) throw new ConfigError(`the token file ${file} is not a file`);
    if ((stats.mode & OTHERS) !== 0) {
      throw new ConfigError(`others can read the token file ${file}; run: chmod 600 ${file}`);
    }
    return readFileSync(descriptor, 'utf8');
  } finally {
    closeSync(descriptor);
  }
}

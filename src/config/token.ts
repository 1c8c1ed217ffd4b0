import { ConfigError } from '../errors.js';
import { readOwn } from './own-file.js';

/** Shorter ones can be guessed. */
const MIN_TOKEN_CHARS = 16;
const MAX_TOKEN_CHARS = 4096;

/**
 * The token in a file that nobody but its owner can read.
 * @throws ConfigError with the command that puts it right
 */
export function readToken(file: string): string {
  const token = readOwn(file, 'token file', `(umask 077; openssl rand -hex 32 > ${file})`).trim();
  if (token.length < MIN_TOKEN_CHARS || token.length > MAX_TOKEN_CHARS) {
    throw new ConfigError(
      `the token in ${file} must have ${MIN_TOKEN_CHARS} to ${MAX_TOKEN_CHARS} characters; make one: openssl rand -hex 32 > ${file}`,
    );
  }
  return token;
}

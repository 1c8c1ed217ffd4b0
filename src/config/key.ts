/** The key of an engine's model API: read from a file or a variable, never from a flag. */
import { basename } from 'node:path';
import { ConfigError } from '../errors.js';
import type { EngineKind } from './engine-keys.js';
import type { EngineSettings } from './engines.js';
import type { Environment } from './environment.js';
import { readOwn } from './own-file.js';

/** Kinds whose own service answers nobody without a key. */
const NEEDS_KEY: ReadonlySet<EngineKind> = new Set(['openai', 'anthropic']);

/** What people paste where the name of its file belongs; it must not be repeated. */
const KEY_ITSELF = /^(?:[srp]k|gsk|xai|hf|ghp)[-_][\w-]{16,}$|^AIza[\w-]{20,}$/;

const MAX_CHARS = 4096;
/** What an HTTP header can carry; a key with a blank in it is two, or a sentence. */
const KEY = /^[\x21-\x7e]+$/;

/**
 * The key of an engine, or undefined when it needs none.
 * @throws ConfigError that says what to do; it never repeats the key
 */
export function readKey(engine: EngineSettings, env: Environment): string | undefined {
  const { name, kind, baseUrl, keyFile: file, keyEnv: variable } = engine;
  if (file !== undefined) {
    if (KEY_ITSELF.test(basename(file))) {
      throw new ConfigError(`engine ${name}: key_file must name a file that holds the key`);
    }
    const key = readOwn(file, 'key file', `(umask 077; cat > ${file})`);
    return wellFormed(key, `the key in ${file}`);
  }
  if (variable !== undefined) {
    const key = env[variable];
    if (key !== undefined) return wellFormed(key, `the key in the variable ${variable}`);
    throw new ConfigError(`engine ${name} needs a key: the variable ${variable} is not set`);
  }
  // No key of the environment is taken unasked: it would go to whatever address is set.
  if (!NEEDS_KEY.has(kind) || baseUrl !== undefined) return undefined;
  throw new ConfigError(
    `engine ${name} needs a key: name its file with --key-file, or its variable with --key-env`,
  );
}

function wellFormed(text: string, what: string): string {
  const key = text.trim();
  if (key.length <= MAX_CHARS && KEY.test(key)) return key;
  throw new ConfigError(`${what} must be one word of up to ${MAX_CHARS} characters`);
}

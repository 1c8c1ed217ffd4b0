/** The only reader of the process's environment. */
import { ENV_PREFIX } from './names.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export function environment(): Environment {
  return process.env;
}

/** The environment for a program that is to meet none of the user's settings. */
export function environmentWithoutSettings(): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith(ENV_PREFIX));
  return Object.fromEntries(others);
}

/** The only reader of the process's environment. */
import { isAbsolute, join } from 'node:path';
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

/**
 * For a process that is going to load React: without this it would take the build for developers,
 * which is slower and notes each rendering in a list that never gets shorter.
 */
export function preferProductionBuilds(): void {
  process.env.NODE_ENV = 'production';
}

/**
 * Where programs of this user keep what is to survive them, or undefined when they have no home.
 * https://specifications.freedesktop.org/basedir-spec/latest/
 */
export function stateHome({ XDG_STATE_HOME: named, HOME: home }: Environment): string | undefined {
  if (named !== undefined && isAbsolute(named)) return named;
  return home !== undefined && isAbsolute(home) ? join(home, '.local', 'state') : undefined;
}

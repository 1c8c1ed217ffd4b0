/** Checks one value against its description, and says in one line what is wrong with it. */
import { resolve } from 'node:path';
import { ConfigError } from '../errors.js';
import { type Described, nearest } from './names.js';

/** A value as it was given, and by which name, for the error that it may deserve. */
export interface Given {
  readonly value: unknown;
  readonly name: string;
  /** The directory that a relative path in it starts from. */
  readonly base: string;
}

/**
 * The same with its value checked and its paths absolute.
 * @throws ConfigError
 */
export function checkGiven(setting: Described, given: Given): Given {
  const checked = setting.schema.safeParse(given.value);
  if (!checked.success) {
    const instead = setting.isDelicate === true ? '' : `, not ${shown(given.value)}`;
    throw new ConfigError(`${given.name} must be ${setting.expects}${instead}`);
  }
  return { ...given, value: withPaths(setting, checked.data, given.base) };
}

export function withPaths(setting: Described, value: unknown, base: string): unknown {
  if (!setting.isPath || value === undefined) return value;
  if (Array.isArray(value)) return value.map((path) => resolve(base, path));
  return resolve(base, String(value));
}

export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function unknownName(what: string, name: string, known: readonly string[]): ConfigError {
  return new ConfigError(`${what} "${name}" is not known; did you mean "${nearest(name, known)}"?`);
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

import type { Engine } from '../engines/index.js';
import { ConfigError } from '../errors.js';
import type { Pool, PoolLimits } from '../sessions/index.js';
import type { Tally } from './tally.js';

export interface ConfiguredEngine {
  readonly engine: Engine;
  /** What it is made of, `claude`; absent: its name. */
  readonly kind?: string | undefined;
  readonly limits?: Partial<PoolLimits> | undefined;
  /** Other words that a query's `model` may choose it by. */
  readonly aliases?: readonly string[] | undefined;
  /** Name of the engine that answers while this one cannot. */
  readonly fallback?: string | undefined;
}

/** An engine with its pool and its figures. */
export interface Desk {
  readonly name: string;
  readonly kind: string;
  readonly model: string;
  readonly aliases: readonly string[];
  readonly engine: Engine;
  readonly pool: Pool;
  readonly tally: Tally;
  /** Who answers while this engine cannot. */
  fallback: Desk | undefined;
}

/** @throws ConfigError when a name or an alias is given twice */
export function requireUniqueNames(engines: readonly ConfiguredEngine[]): void {
  const names = new Set<string>();
  const take = (name: string, what: string) => {
    if (names.has(name)) throw new ConfigError(`${what} is configured twice; give each its own`);
    names.add(name);
  };
  for (const { engine } of engines) take(engine.name, `engine ${engine.name}`);
  for (const { engine, aliases = [] } of engines) {
    for (const alias of aliases) take(alias, `alias ${alias} of engine ${engine.name}`);
  }
}

/** @throws ConfigError when a fall-back engine is not among them, or is the engine itself */
export function linkFallbacks(desks: readonly Desk[], engines: readonly ConfiguredEngine[]): void {
  for (const [index, { engine, fallback }] of engines.entries()) {
    if (fallback === undefined) continue;
    const desk = desks[index] as Desk;
    desk.fallback = desks.find(({ name }) => name === fallback);
    if (desk.fallback === undefined || desk.fallback === desk) {
      throw new ConfigError(`engine ${engine.name} cannot fall back to ${fallback}; name another`);
    }
  }
}

/**
 * The desk for queries that name no engine, or one that nobody knows; the first unless named.
 * @throws ConfigError when there is none, or none of that name
 */
export function usualDesk(desks: readonly Desk[], name: string | undefined): Desk {
  const usual = name === undefined ? desks[0] : desks.find((desk) => desk.name === name);
  if (usual !== undefined) return usual;
  const known = desks.map((desk) => desk.name).join(', ');
  throw new ConfigError(
    known === ''
      ? 'no engine is configured; name one with --engine'
      : `no engine ${name}: ${known}`,
  );
}

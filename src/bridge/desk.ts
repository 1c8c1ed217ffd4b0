import type { Engine } from '../engines/index.js';
import { ConfigError } from '../errors.js';
import type { Pool, PoolLimits } from '../sessions/index.js';
import type { Tally } from './tally.js';

export interface ConfiguredEngine {
  readonly engine: Engine;
  readonly limits?: Partial<PoolLimits> | undefined;
}

/** An engine with its pool and its figures. */
export interface Desk {
  readonly name: string;
  readonly model: string;
  readonly engine: Engine;
  readonly pool: Pool;
  readonly tally: Tally;
}

/** @throws ConfigError when a name is given twice */
export function requireUniqueNames(engines: readonly ConfiguredEngine[]): void {
  const names = new Set<string>();
  for (const { engine } of engines) {
    if (names.has(engine.name)) {
      throw new ConfigError(`engine ${engine.name} is configured twice; give each its own name`);
    }
    names.add(engine.name);
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

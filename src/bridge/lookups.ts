/**
 * Finds the context files of queries before they go to a pool.
 *
 * Queries that ask for the same file while it is looked up share the look-up: a file system call
 * for each would cost many times what a query does. Queries of one sticky key come out in the
 * order they went in, although their files may take differently long.
 */
import type { ContextFile, ContextRoots } from '../context/index.js';
import { toFault, type WarmlineError } from '../errors.js';

export interface LookedUp {
  readonly contextName: string | undefined;
  readonly key: string | undefined;
  found(context: ContextFile | undefined): void;
  notFound(error: WarmlineError): void;
}

interface Pending {
  readonly query: LookedUp;
  /** Lets the query go on; set when its look-up is over. */
  release: (() => void) | undefined;
}

/** For how long "there is no default context" is believed, in milliseconds. */
const ABSENCE_MS = 1_000;

export class Lookups {
  readonly #contexts: ContextRoots;
  readonly #nowMs: () => number;
  readonly #sharing = new Map<string | undefined, Pending[]>();
  readonly #lanes = new Map<string, Pending[]>();
  #noDefaultUntilMs = Number.NEGATIVE_INFINITY;

  constructor(contexts: ContextRoots, nowMs: () => number) {
    this.#contexts = contexts;
    this.#nowMs = nowMs;
  }

  /** False when the query needs no look-up: it names no file, and there is no default. */
  needs(query: LookedUp, nowMs: number): boolean {
    if (query.contextName !== undefined || nowMs >= this.#noDefaultUntilMs) return true;
    return query.key !== undefined && this.#lanes.has(query.key);
  }

  start(query: LookedUp, nowMs: number): void {
    const pending: Pending = { query, release: undefined };
    const { key, contextName: name } = query;
    if (key !== undefined) append(this.#lanes, key, pending);
    if (name === undefined && nowMs < this.#noDefaultUntilMs) {
      this.#arrived(pending, () => query.found(undefined));
    } else if (append(this.#sharing, name, pending)) {
      this.#contexts.resolve(name).then(
        (context) => this.#found(name, context),
        (thrown) => this.#notFound(name, toFault(thrown)),
      );
    }
  }

  #found(name: string | undefined, context: ContextFile | undefined): void {
    if (name === undefined && context === undefined) {
      this.#noDefaultUntilMs = this.#nowMs() + ABSENCE_MS;
    }
    for (const pending of this.#take(name)) {
      this.#arrived(pending, () => pending.query.found(context));
    }
  }

  #notFound(name: string | undefined, error: WarmlineError): void {
    for (const pending of this.#take(name)) {
      this.#arrived(pending, () => pending.query.notFound(error));
    }
  }

  #take(name: string | undefined): Pending[] {
    const sharing = this.#sharing.get(name) ?? [];
    this.#sharing.delete(name);
    return sharing;
  }

  #arrived(pending: Pending, release: () => void): void {
    const { key } = pending.query;
    const lane = key === undefined ? undefined : this.#lanes.get(key);
    if (key === undefined || lane === undefined) {
      release();
      return;
    }
    pending.release = release;
    while (lane[0]?.release !== undefined) lane.shift()?.release?.();
    if (lane.length === 0) this.#lanes.delete(key);
  }
}

/** @returns whether it is the first under this name */
function append<K>(lists: Map<K, Pending[]>, name: K, pending: Pending): boolean {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [pending]);
  else list.push(pending);
  return list === undefined;
}

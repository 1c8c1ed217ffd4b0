/** The bus as the autopoll uses it, with a spool behind it for the time of trouble. */
import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Answer,
  type Answered,
  type Bus,
  type Completed,
  type Lease,
  openSqliteBus,
  type SqliteBus,
  type SqliteBusOptions,
  seenUnfinished,
} from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';
import { Spool } from './spool.js';

/**
 * Opens a bus whose answers are kept in a directory of their own below `spoolDir` while they cannot
 * be written.
 * @throws BusError as `openSqliteBus` does
 */
export function openSpooledBus(options: SqliteBusOptions, spoolDir: string, log: Log): SqliteBus {
  const { clock = systemClock, observer } = options;
  const bus = openSqliteBus({
    ...options,
    observer: {
      ...observer,
      trouble: (error, waitedMs) => {
        observer?.trouble?.(error, waitedMs);
        keeper.troubled();
      },
      recovered: (waitedMs) => {
        keeper.recovered();
        observer?.recovered?.(waitedMs);
      },
    },
  });
  const unfinished = (ids: readonly number[]) => seenUnfinished(bus, ids);
  const dir = join(spoolDir, nameOfBus(bus));
  const keeper = new SpoolKeeper(new Spool({ dir, clock, log, unfinished }));
  return keeper.over(bus);
}

/** The same for every way to write the path, and for a file that a restore puts in its place. */
function nameOfBus({ file, session }: SqliteBus): string {
  const digest = createHash('sha256').update(realpathSync(file)).digest('hex');
  return `${digest.slice(0, 16)}-${session}`;
}

/** Answers that were handed over together. */
interface Unwritten {
  readonly answered: readonly Answered[];
  isSpooled: boolean;
}

/**
 * Answers go into the spool while the bus is in trouble, and answers found there are written when
 * their questions are claimed again. Without trouble, answers written together cost an entry in a set.
 */
export class SpoolKeeper {
  readonly #spool: Spool;
  readonly #unwritten = new Set<Unwritten>();
  #inTrouble = false;
  #isLoaded = false;

  constructor(spool: Spool) {
    this.#spool = spool;
  }

  /** Writes to the bus have waited for a second, or failed for a reason that lasts. */
  troubled(): void {
    this.#inTrouble = true;
    for (const each of this.#unwritten) void this.#keepAll(each);
  }

  recovered(): void {
    this.#inTrouble = false;
  }

  /** The same bus, with its answers kept safe. */
  over(bus: SqliteBus): SqliteBus {
    const alone = oneAtATime();
    return overlay(bus, {
      claim: (request) => this.#claim(bus, request),
      complete: (lease, answer) => this.#complete(bus, lease, answer),
      completeAll: (answered) => this.#completeAll(bus, answered),
      // While writes wait, those that would only repeat each other do not pile up.
      renew: (lease, leaseMs) => alone(lease.token, () => bus.renew(lease, leaseMs)),
      heartbeat: (conversations) => alone('heartbeat', () => bus.heartbeat(conversations)),
      reap: () => alone('reap', () => this.#reap(bus)),
      close: () => this.#close(bus),
    });
  }

  async #claim(bus: Bus, request: Parameters<Bus['claim']>[0]): Promise<Lease[]> {
    for (;;) {
      const leases = await bus.claim(request);
      const fresh: Lease[] = [];
      const known: Answered[] = [];
      for (const lease of leases) {
        const answer = this.#spool.find(lease);
        if (answer === undefined) fresh.push(lease);
        else known.push({ lease, answer });
      }
      // One that cannot be written stays in the spool, until its lease has run out.
      if (known.length > 0) await this.#completeAll(bus, known);
      if (fresh.length > 0 || known.length === 0) return fresh;
    }
  }

  async #complete(bus: Bus, lease: Lease, answer: Answer): ReturnType<Bus['complete']> {
    const [result] = await this.#completeAll(bus, [{ lease, answer }]);
    if (result === undefined || result instanceof Error) throw result;
    return result;
  }

  /** Hands the answers to the bus before anything is waited for. */
  async #completeAll(bus: Bus, answered: readonly Answered[]): Promise<readonly Completed[]> {
    const unwritten = { answered, isSpooled: false };
    this.#unwritten.add(unwritten);
    if (this.#inTrouble) void this.#keepAll(unwritten);
    const results = await bus.completeAll(answered);
    const { isSpooled } = unwritten;
    // What happens from here on concerns those that are not written alone.
    unwritten.isSpooled = true;
    const failed = isSpooled ? [] : answered.filter((_, at) => results[at] instanceof Error);
    void this.#keep(failed).then(() => this.#unwritten.delete(unwritten));
    if (isSpooled || this.#spool.size > 0) {
      for (const [at, { lease }] of answered.entries()) {
        const result = results[at];
        // With a lost lease the question may be asked again, by us or another.
        if (result === 'kept' || result === 'orphaned') this.#spool.drop(lease);
      }
    }
    return results;
  }

  async #keepAll(unwritten: Unwritten): Promise<void> {
    if (unwritten.isSpooled) return;
    unwritten.isSpooled = true;
    await this.#keep(unwritten.answered);
  }

  async #keep(answered: readonly Answered[]): Promise<void> {
    await Promise.all(answered.map(({ lease, answer }) => this.#spool.keep(lease, answer)));
  }

  /** A holder that is gone may have left answers, and so may we in an earlier life. */
  async #reap(bus: Bus): ReturnType<Bus['reap']> {
    const reaped = await bus.reap();
    if (!this.#isLoaded || reaped.gone + reaped.expired > 0) {
      this.#isLoaded = true;
      await this.#spool.load();
    }
    return reaped;
  }

  /** What the bus no longer takes is in the spool before this resolves. */
  async #close(bus: Bus): Promise<void> {
    await bus.close();
    while (this.#unwritten.size > 0) await new Promise((resolve) => setImmediate(resolve));
    await this.#spool.settled();
  }
}

/** A call under way serves those who ask for the same in the meantime. */
function oneAtATime() {
  const underWay = new Map<string, Promise<unknown>>();
  return <T>(key: string, start: () => Promise<T>): Promise<T> => {
    const before = underWay.get(key) as Promise<T> | undefined;
    if (before) return before;
    const call = start().finally(() => underWay.delete(key));
    underWay.set(key, call);
    return call;
  };
}

/** An object like `base`, some of whose methods are others. */
function overlay<T extends object>(base: T, over: Partial<T>): T {
  const like = { ...over } as Record<string, unknown>;
  // Bound once and not looked up at each call, as a proxy would.
  for (let from: object = base; from !== Object.prototype; from = Object.getPrototypeOf(from)) {
    for (const name of Object.getOwnPropertyNames(from)) {
      if (Object.hasOwn(like, name)) continue;
      const value = (base as Record<string, unknown>)[name];
      like[name] = typeof value === 'function' ? value.bind(base) : value;
    }
  }
  return like as T;
}

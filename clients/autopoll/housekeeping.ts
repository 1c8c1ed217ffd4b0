/**
 * What the bus file needs from time to time: a look for damage, and a WAL file that is small.
 *
 * The look reads the whole file, which takes as long as that takes. It is a process of its own and
 * not a thread: connections of one process share the WAL's index, and one that stays open while
 * somebody deletes the WAL file would keep the writer on an index that nobody else uses.
 */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { foldWal, LARGE_WAL_BYTES, type SqliteBus, walBytes } from '../../src/bus/index.js';
import type { Log } from '../../src/log.js';

/** What a look for damage found. */
export interface Look {
  /** Undefined when the file is whole. */
  readonly damage?: string | undefined;
}

export interface HousekeepingOptions {
  readonly bus: SqliteBus;
  readonly log: Log;
  /** Time between two looks for damage, in milliseconds; 0 means never. */
  readonly checkEveryMs: number;
  /** Time between two looks at the WAL file, in milliseconds. */
  readonly trimEveryMs: number;
  /** Size from which the WAL file is too large, in bytes. */
  readonly largeWalBytes?: number;
  /** Nothing is being answered. */
  readonly isIdle: () => boolean;
  /** @throws when the look could not be had */
  readonly check: (file: string, signal: AbortSignal) => Promise<Look>;
  readonly onDamaged: (damage: string) => void;
}

/** Longer than the writer takes to notice that the file it has open is not the one at the path. */
const SECOND_LOOK_MS = 2_000;

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #stopping = new AbortController();
  readonly #timers: NodeJS.Timeout[];
  #checking: Promise<void> | undefined;
  #isFolded = false;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    const { checkEveryMs, trimEveryMs } = options;
    this.#timers = [setInterval(() => this.trim(), trimEveryMs)];
    if (checkEveryMs > 0) this.#timers.push(setInterval(() => void this.check(), checkEveryMs));
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#stopping.abort();
    await this.#checking;
  }

  /** Looks for damage, once for all who ask in the meantime. */
  check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  async #check(): Promise<void> {
    const { bus, log, check, onDamaged } = this.#options;
    const { signal } = this.#stopping;
    try {
      let { damage } = await check(bus.file, signal);
      if (damage !== undefined) {
        // Until a WAL file that somebody deleted is made up for, a bus looks worse than it is.
        await sleep(SECOND_LOOK_MS, undefined, { signal });
        ({ damage } = await check(bus.file, signal));
      }
      if (damage !== undefined) onDamaged(damage);
      else log.debug('the bus was checked for damage: none');
    } catch (error) {
      if (!signal.aborted) log.warn({ err: error }, 'the bus could not be checked for damage');
    }
  }

  /**
   * In the course of work SQLite keeps the WAL file small by itself, unless the reader of another
   * program needs what is in it. What such a reader left is put away when there is nothing else to
   * do: first copied, without any lock, and a round later cut, which then takes no time. Two
   * checkpoints never follow each other directly: older versions of SQLite, which other programs on
   * the bus may have, can lose rows then.
   */
  trim(): void {
    const { bus, log, isIdle, largeWalBytes = LARGE_WAL_BYTES } = this.#options;
    try {
      const isLarge = isIdle() && walBytes(bus) > largeWalBytes;
      this.#isFolded = isLarge && foldWal(bus, this.#isFolded ? 'TRUNCATE' : 'PASSIVE');
    } catch (error) {
      log.debug({ err: error }, 'the WAL file could not be looked after');
    }
  }
}

const CHILD = fileURLToPath(new URL('./housekeeping-child.js', import.meta.url));
/** A file so large that reading it takes longer is not looked through. */
const LONGEST_CHECK_MS = 30 * 60_000;

/** Looks for damage in another process, on a connection that cannot write. */
export async function checkInChild(file: string, signal: AbortSignal): Promise<Look> {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, file], {
    signal,
    timeout: LONGEST_CHECK_MS,
    killSignal: 'SIGKILL',
    maxBuffer: 1024 * 1024,
  });
  return JSON.parse(stdout) as Look;
}

/**
 * Notices within a millisecond or so that another program committed to the bus.
 *
 * A commit first writes frames to the `-wal` file (a file event), then syncs, then publishes
 * through shared memory (no event). A single look after the event comes too early, so looks are
 * repeated for some milliseconds; each new event starts the series again. The directory is watched
 * rather than the file, which may be deleted and made anew. A slow look catches what no event told.
 */
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** When to look after an event, in milliseconds. */
const LOOKS_MS = [0, 1, 1, 1, 2, 4, 8, 16, 32] as const;
/**
 * After a quiet time the first looks follow each other without a pause for this long: a timer is
 * never shorter than a millisecond, and most commits become visible sooner. On a busy bus, whose
 * rows are met anyway, it would only burn the processor.
 */
const CLOSE_LOOKS_MS = 1;
const QUIET_MS = 15;

export interface WakeOptions {
  readonly file: string;
  /** Time between two looks that no event asks for, in milliseconds. */
  readonly slowLookMs: number;
  /** A number that changes with each commit of another connection (`PRAGMA data_version`). */
  readonly version: () => number;
  readonly changed: () => void;
  /** Makes sure that the watched files are those in use; called when one came or went, and slowly. */
  readonly check: () => void;
}

export class Wake {
  readonly #options: WakeOptions;
  readonly #wal: string;
  readonly #files: readonly string[];
  readonly #slow: NodeJS.Timeout;
  #watcher: FSWatcher | undefined;
  #series: NodeJS.Timeout | undefined;
  #closeLook: NodeJS.Immediate | undefined;
  #closeUntilMs = 0;
  #lastEventMs = Number.NEGATIVE_INFINITY;
  #step = 0;
  #version: number;

  constructor(options: WakeOptions) {
    this.#options = options;
    const name = basename(options.file);
    this.#wal = `${name}-wal`;
    this.#files = [name, this.#wal, `${name}-shm`];
    this.#version = options.version();
    this.#slow = setInterval(() => this.#slowLook(), options.slowLookMs);
    this.#watch();
  }

  close(): void {
    clearInterval(this.#slow);
    clearTimeout(this.#series);
    clearImmediate(this.#closeLook);
    this.#watcher?.close();
  }

  /** Without a watch (no inotify left, say) the slow look still finds every row. */
  #watch(): void {
    try {
      this.#watcher = watch(dirname(this.#options.file), (event, name) => {
        // `rename` is a file that came or went.
        if (event === 'rename' && name !== null && this.#files.includes(name)) {
          this.#options.check();
        }
        if (name === null || name === this.#wal) this.#restartSeries();
      });
      this.#watcher.on('error', () => {
        this.#watcher?.close();
        this.#watcher = undefined;
      });
    } catch {
      this.#watcher = undefined;
    }
  }

  #restartSeries(): void {
    const now = performance.now();
    if (now - this.#lastEventMs > QUIET_MS) this.#closeUntilMs = now + CLOSE_LOOKS_MS;
    this.#lastEventMs = now;
    this.#step = 0;
    clearTimeout(this.#series);
    clearImmediate(this.#closeLook);
    this.#look();
  }

  #look(): void {
    if (this.#compare()) this.#closeUntilMs = 0;
    if (performance.now() < this.#closeUntilMs) {
      this.#closeLook = setImmediate(() => this.#look());
      return;
    }
    this.#step += 1;
    const delayMs = LOOKS_MS[this.#step];
    if (delayMs !== undefined) this.#series = setTimeout(() => this.#look(), delayMs);
  }

  #slowLook(): void {
    this.#options.check();
    if (this.#watcher === undefined) this.#watch();
    this.#compare();
  }

  /** @returns whether another connection has committed since */
  #compare(): boolean {
    const version = this.#options.version();
    if (version === this.#version) return false;
    this.#version = version;
    this.#options.changed();
    return true;
  }
}

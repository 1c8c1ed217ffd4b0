/**
 * What happened, as each actor saw it: JSON lines that several processes append to one file, for a
 * checker that compares them with the bus. Inert unless a file is named.
 *
 * Lines are written at once and by one call each, so that a kill loses none and cuts none.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { ConfigError } from '../errors.js';

export type Fact =
  | { readonly what: 'asked'; readonly question: number; readonly conversation: string }
  | (OfAttempt & { readonly what: 'claimed'; readonly conversation: string })
  | (OfAttempt & { readonly what: 'asked_bridge' })
  /** The bridge has replied: `ok`, or the code of its error. */
  | (OfAttempt & { readonly what: 'answered'; readonly result: string })
  /** The worker has written what came of it, or `lost`: the lease was no longer its own. */
  | (OfAttempt & {
      readonly what: 'settled';
      readonly step: 'complete' | 'retry' | 'release';
      readonly result: 'kept' | 'lost' | 'orphaned';
    })
  | { readonly what: 'reaped'; readonly expired: number; readonly gone: number }
  /** The asker has read this row as the answer. */
  | { readonly what: 'read'; readonly question: number; readonly answer: number }
  | { readonly what: 'failpoint'; readonly name: string; readonly action: string }
  /** What the harness did to a process. */
  | {
      readonly what: 'killed' | 'stopped' | 'continued';
      readonly victim: string;
      readonly victimPid: number;
    };

interface OfAttempt {
  readonly question: number;
  readonly attempt: number;
}

export type Noted = Fact & {
  readonly pid: number;
  /** Microseconds of the machine's monotonic clock: the same for all processes until it reboots. */
  readonly mono_us: number;
  /** Microseconds since the epoch. */
  readonly wall_us: number;
};

export class History {
  readonly #file: number;

  /** @throws ConfigError when the file cannot be written to */
  constructor(path: string) {
    try {
      const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT;
      this.#file = openSync(path, flags, 0o600);
    } catch (cause) {
      throw new ConfigError(`the history ${path} cannot be written to; check its directory`, {
        cause,
      });
    }
  }

  note(fact: Fact): void {
    const noted: Noted = {
      ...fact,
      pid: process.pid,
      mono_us: Number(process.hrtime.bigint() / 1000n),
      wall_us: Date.now() * 1000,
    };
    writeSync(this.#file, `${JSON.stringify(noted)}\n`);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** What this process does goes here. */
let own: History | undefined;

/** @throws ConfigError when the file cannot be written to */
export function openHistory(path: string): void {
  closeHistory();
  own = new History(path);
}

export function closeHistory(): void {
  own?.close();
  own = undefined;
}

export function note(fact: Fact): void {
  own?.note(fact);
}

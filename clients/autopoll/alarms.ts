/**
 * Tells people of warnings: in the log, and by a command or a webhook of theirs. Each kind is told
 * at most once a minute, and its end once, and only if its beginning was told.
 */
import { isSuspect, redact } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';
import type { Messenger } from './messenger.js';
import { keyOf, type Warning } from './warnings.js';

/** What a messenger carries, as JSON. No text of a question or an answer is in it. */
export interface Alarm {
  readonly event: 'raised' | 'cleared';
  readonly kind: string;
  /** The engine it is about; else empty. */
  readonly subject: string;
  readonly severity: string;
  readonly message: string;
  readonly value: number;
  readonly limit: number;
  /** Base name of the bus file. */
  readonly db: string;
  readonly session: string;
  /** Milliseconds since the epoch. */
  readonly at_ms: number;
}

export interface AlarmsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly about: { readonly db: string; readonly session: string };
  readonly messengers: readonly Messenger[];
}

const TELL_EVERY_MS = 60_000;
/** Kinds and engines that are remembered; an engine's name is the asker's choice. */
const MAX_REMEMBERED = 256;

interface Told {
  readonly atMs: number;
  /** Undefined once its end was told. */
  readonly standing: Warning | undefined;
}

export class Alarms {
  readonly #options: AlarmsOptions;
  readonly #told = new Map<string, Told>();
  /** Warnings that are looked through for secrets, one after the other. */
  #inspected: Promise<void> = Promise.resolve();

  constructor(options: AlarmsOptions) {
    this.#options = options;
  }

  /** Call with everything that is wrong now, at every look. */
  show(warnings: readonly Warning[]): void {
    const nowMs = this.#options.clock.monotonicMs();
    const standing = new Set(warnings.map(keyOf));
    for (const [key, { atMs, standing: was }] of this.#told) {
      if (was !== undefined && !standing.has(key)) {
        this.#told.set(key, { atMs, standing: undefined });
        this.#tell('cleared', was);
      } else if (was === undefined && nowMs - atMs >= TELL_EVERY_MS) this.#told.delete(key);
    }
    for (const warning of warnings) {
      const key = keyOf(warning);
      if (this.#told.has(key) && !this.#mayTellAgain(key, nowMs)) continue;
      if (this.#told.size >= MAX_REMEMBERED) return;
      this.#told.set(key, { atMs: nowMs, standing: warning });
      this.#tell('raised', warning);
    }
  }

  async close(): Promise<void> {
    await this.#inspected;
    await Promise.all(this.#options.messengers.map((messenger) => messenger.close()));
  }

  #mayTellAgain(key: string, nowMs: number): boolean {
    const told = this.#told.get(key);
    return told?.standing === undefined && nowMs - (told?.atMs ?? 0) >= TELL_EVERY_MS;
  }

  /** What a question calls its engine is the asker's choice, and may hold a secret. */
  #tell(event: Alarm['event'], warning: Warning): void {
    const { subject, message } = warning;
    if (![subject, message].some(isSuspect)) {
      this.#send(event, warning);
      return;
    }
    this.#inspected = this.#inspected.then(async () => {
      const [safeSubject, safeMessage] = await Promise.all([redact(subject), redact(message)]);
      this.#send(event, { ...warning, subject: safeSubject, message: safeMessage });
    });
  }

  #send(event: Alarm['event'], warning: Warning): void {
    const { clock, log, about, messengers } = this.#options;
    const { kind, subject, severity, message, value, limit } = warning;
    const facts = { warning: kind, ...(subject !== '' && { engine: subject }), value, limit };
    if (event === 'cleared') log.info(facts, `over: ${message}`);
    else if (severity === 'severe') log.error(facts, message);
    else log.warn(facts, message);
    const at_ms = Math.round(clock.wallUs() / 1000);
    const alarm = { event, kind, subject, severity, message, value, limit, ...about, at_ms };
    for (const messenger of messengers) messenger.send(alarm);
  }
}

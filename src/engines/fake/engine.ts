/**
 * A scripted engine for tests, benches and trying warmline by hand: it starts no process, reads no
 * file and uses no model. What a single question may ask of it is listed in `script.ts`.
 */

import { type After, systemAfter } from '../../clock.js';
import type { ContextFile } from '../../context/context.js';
import { fault } from '../../errors.js';
import type { Engine, EngineSession, EngineStatus, OpenOptions } from '../engine.js';
import { FakeSession } from './session.js';

export interface FakeOptions {
  readonly name?: string | undefined;
  readonly model?: string | undefined;
  readonly binds?: Engine['binds'] | undefined;
  readonly resumes?: boolean | undefined;
  /** How long a turn takes unless its question says otherwise, in milliseconds. */
  readonly delayMs?: number | undefined;
  /** In how many pieces an answer is streamed unless its question says otherwise. */
  readonly deltas?: number | undefined;
  readonly openDelayMs?: number | undefined;
  /** How many opens fail before the first that works. */
  readonly openFailures?: number | undefined;
  /** How long forgetting takes; 0 forgets at once, without a promise. */
  readonly resetDelayMs?: number | undefined;
  /** Memory each session claims to hold, in bytes, growing by as much with every turn. */
  readonly memoryBytesPerTurn?: number | undefined;
  /** Time, for tests that own it. */
  readonly after?: After | undefined;
}

/** The options with every default filled in. */
export interface FakeSettings {
  readonly name: string;
  readonly model: string;
  readonly binds: Engine['binds'];
  readonly resumes: boolean;
  readonly delayMs: number;
  readonly deltas: number;
  readonly openDelayMs: number;
  readonly resetDelayMs: number;
  readonly memoryBytesPerTurn: number | undefined;
  readonly after: After;
}

export class FakeEngine implements Engine {
  readonly name: string;
  readonly model: string;
  readonly binds: Engine['binds'];
  readonly resumes: boolean;
  /** Sessions opened so far, for tests that count cold starts. */
  opened = 0;
  /** Sessions that are open now. */
  readonly live = new Set<FakeSession>();

  readonly #settings: FakeSettings;
  #failuresLeft: number;

  constructor(options: FakeOptions = {}) {
    this.#settings = {
      name: options.name ?? 'fake',
      model: options.model ?? 'fake-1',
      binds: options.binds ?? 'nothing',
      resumes: options.resumes ?? false,
      delayMs: options.delayMs ?? 0,
      deltas: options.deltas ?? 0,
      openDelayMs: options.openDelayMs ?? 0,
      resetDelayMs: options.resetDelayMs ?? 0,
      memoryBytesPerTurn: options.memoryBytesPerTurn,
      after: options.after ?? systemAfter,
    };
    this.name = this.#settings.name;
    this.model = this.#settings.model;
    this.binds = this.#settings.binds;
    this.resumes = this.#settings.resumes;
    this.#failuresLeft = options.openFailures ?? 0;
  }

  async open(options: OpenOptions): Promise<EngineSession> {
    if (this.#settings.openDelayMs > 0) await this.#pause(options.signal);
    options.signal.throwIfAborted();
    if (this.#failuresLeft > 0) {
      this.#failuresLeft -= 1;
      throw fault('engine_unavailable', `${this.name} was told to fail this start; ask again`);
    }
    this.opened += 1;
    const session = new FakeSession(this.#settings, boundContext(this.binds, options.context));
    this.live.add(session);
    session.closed.then(() => this.live.delete(session));
    return session;
  }

  /** Makes the next `count` opens fail. */
  failOpens(count: number): void {
    this.#failuresLeft = count;
  }

  status(): EngineStatus {
    return { auth: 'ok', limit: { state: 'ok' } };
  }

  async close(): Promise<void> {}

  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        callOff();
        reject(signal.reason);
      };
      const callOff = this.#settings.after(this.#settings.openDelayMs, () => {
        signal.removeEventListener('abort', stop);
        resolve();
      });
      if (signal.aborted) stop();
      else signal.addEventListener('abort', stop, { once: true });
    });
  }
}

function boundContext(binds: Engine['binds'], context: ContextFile | undefined) {
  return binds === 'context' ? context : undefined;
}

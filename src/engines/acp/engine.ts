import type { Engine, EngineSession, EngineStatus, OpenOptions } from '../engine.js';
import { AcpSession, type SessionParts } from './session.js';

interface EngineParts extends Omit<SessionParts, 'bound'> {
  readonly name: string;
}

/** One agent process for each session; nothing is shared between them but what is known of the account. */
export class AcpEngine implements Engine {
  readonly name: string;
  readonly model: string;
  /** An agent that takes a system prompt has the document in it, where its provider caches it. */
  readonly binds: Engine['binds'];
  readonly #parts: EngineParts;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.model = parts.model;
    this.binds = parts.meta === undefined ? 'nothing' : 'context';
  }

  async open({ context, signal }: OpenOptions): Promise<EngineSession> {
    signal.throwIfAborted();
    const bound =
      this.#parts.meta === undefined ? undefined : await this.#parts.grounder.ground(context);
    signal.throwIfAborted();
    return await AcpSession.open({ ...this.#parts, bound }, signal);
  }

  status(): EngineStatus {
    return this.#parts.account.status();
  }

  async close(): Promise<void> {}
}

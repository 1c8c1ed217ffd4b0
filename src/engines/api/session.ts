/**
 * A warm session with a model API: one kept connection and the conversation so far. Sessions are
 * cheap here, nothing of one is shared with another but the account.
 */
import type { Clock } from '../../clock.js';
import { fault, WarmlineError } from '../../errors.js';
import type { Log } from '../../log.js';
import type { EngineSession, SessionEnd, Turn, TurnEvent, TurnResult } from '../engine.js';
import type { Grounder, Grounding } from '../grounding/index.js';
import { Draft } from './answer.js';
import type { Connection } from './connection.js';
import { Conversation, type ConversationLimits } from './conversation.js';
import { type Failure, failureOf, isUnknownModel, type Service } from './failure.js';
import type { ModelApi } from './model-api.js';
import { problemOf } from './problem.js';
import type { Standing } from './standing.js';

/** A connection that a server ends sooner than this is not worth another, in milliseconds. */
const MIN_CONNECTED_MS = 1_000;

interface SessionParts {
  readonly service: Service;
  readonly connection: Connection;
  readonly api: ModelApi;
  readonly grounder: Grounder;
  readonly standing: Standing;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether a connection the server ended is opened again before the next question. */
  readonly reconnects: boolean;
  readonly conversation?: ConversationLimits | undefined;
}

export class ApiSession implements EngineSession {
  readonly pids: readonly number[] = [];
  readonly closed: Promise<SessionEnd>;

  readonly #parts: SessionParts;
  readonly #conversation: Conversation;
  /** Aborted by `close`; ends whatever is under way. */
  readonly #life = new AbortController();
  #running: AbortController | undefined;
  #connectedMs = 0;
  #end!: (end: SessionEnd) => void;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#conversation = new Conversation(parts.conversation);
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
    parts.connection.onLost = () => this.#reconnect();
  }

  /**
   * Opens the connection, so that no question waits for that.
   * @throws WarmlineError when no question could be answered either
   */
  async greet(signal: AbortSignal): Promise<void> {
    const { api, standing, clock, service } = this.#parts;
    this.#connectedMs = clock.monotonicMs();
    try {
      await api.greet(AbortSignal.any([signal, this.#life.signal]));
      standing.greeted();
    } catch (thrown) {
      if (signal.aborted || this.#life.signal.aborted) throw cancelled();
      const problem = problemOf(thrown);
      const { error, tells } = failureOf(problem, service, standing.nowMs());
      // A key may have the right to ask and not the right to look at models.
      const isKeyRefused = problem.how === 'refused' && problem.status === 401;
      if (problem.how === 'refused' && !isKeyRefused) return;
      standing.refused(tells);
      throw error;
    }
  }

  /** Shows the model the context, so that its provider has it cached. Failures are no harm. */
  async rehearse(grounding: Grounding, signal: AbortSignal): Promise<void> {
    const { api, log, service } = this.#parts;
    const rehearsal = new AbortController();
    const prompt = {
      system: grounding.system,
      messages: [{ role: 'user' as const, content: 'Answer OK.' }],
      isRehearsal: true,
    };
    const signals = AbortSignal.any([signal, this.#life.signal, rehearsal.signal]);
    try {
      for await (const piece of api.ask(prompt, signals)) {
        // What matters is done once it speaks.
        if (piece.type === 'text') rehearsal.abort();
      }
    } catch (thrown) {
      if (signals.aborted) return;
      const { error } = failureOf(problemOf(thrown), service, this.#parts.standing.nowMs());
      log.debug({ engine: service.engine, code: error.code }, `no prefetch: ${error.message}`);
    }
  }

  async turn(turn: Turn, emit: (event: TurnEvent) => void): Promise<TurnResult> {
    if (this.#life.signal.aborted) throw cancelled();
    const { connection } = this.#parts;
    const running = new AbortController();
    const { signal } = running;
    this.#running = running;
    connection.onByte = () => emit({ type: 'alive' });
    try {
      return await this.#answer(turn, emit, signal);
    } catch (thrown) {
      const error = await this.#explain(thrown, signal);
      throw signal.aborted ? cancelled() : error;
    } finally {
      connection.onByte = () => {};
      this.#running = undefined;
      if (!connection.isOpen) this.#reconnect();
    }
  }

  cancel(): void {
    this.#running?.abort();
  }

  async reset(): Promise<void> {
    this.#conversation.clear();
    await this.#parts.connection.rest();
  }

  async close(): Promise<void> {
    this.#life.abort();
    this.cancel();
    this.#parts.connection.close();
    this.#end({ how: 'closed' });
  }

  async #answer(
    { question, context }: Turn,
    emit: (event: TurnEvent) => void,
    signal: AbortSignal,
  ): Promise<TurnResult> {
    const { api, grounder, standing, service } = this.#parts;
    const grounding = await grounder.ground(context);
    const text = await grounding.userText(question);
    signal.throwIfAborted();
    const draft = new Draft((text) => emit({ type: 'delta', text }), service.key);
    const prompt = { system: grounding.system, messages: this.#conversation.with(text) };
    for await (const piece of api.ask(prompt, signal)) draft.add(piece);
    // The official clients end a stream that was aborted as if it were complete.
    signal.throwIfAborted();
    const answer = draft.finish();
    standing.answered();
    const sources = await grounding.sourcesOf(answer.text, question);
    signal.throwIfAborted();
    this.#conversation.add(text, answer.text);
    const { stopReason, usage } = answer;
    return { answer: answer.text, sources, model: service.model, usage, stopReason };
  }

  async #explain(thrown: unknown, signal: AbortSignal): Promise<WarmlineError> {
    if (thrown instanceof WarmlineError) return thrown;
    if (signal.aborted) return cancelled();
    const { service, standing } = this.#parts;
    const problem = problemOf(thrown);
    const models = isUnknownModel(problem) ? await this.#modelsThere(signal) : [];
    const failure = failureOf(problem, service, standing.nowMs(), models);
    standing.refused(failure.tells);
    return this.#madeRoom(failure) ?? failure.error;
  }

  /** A conversation that outgrew the model is no fault of its latest question. */
  #madeRoom({ error }: Failure): WarmlineError | undefined {
    if (error.code !== 'context_too_large' || this.#conversation.turns === 0) return undefined;
    this.#conversation.halve();
    return fault(
      'engine_error',
      `the conversation has outgrown ${this.#parts.service.model}; its older half is forgotten now, ask again`,
    );
  }

  async #modelsThere(signal: AbortSignal): Promise<readonly string[]> {
    try {
      return await this.#parts.api.listModels(signal);
    } catch {
      return [];
    }
  }

  #reconnect(): void {
    const { reconnects, clock, log, service } = this.#parts;
    if (!reconnects || this.#running !== undefined || this.#life.signal.aborted) return;
    if (clock.monotonicMs() - this.#connectedMs < MIN_CONNECTED_MS) return;
    const { engine } = service;
    this.greet(this.#life.signal).then(
      () => log.debug({ engine }, 'connection opened again'),
      (error: WarmlineError) => log.debug({ engine, code: error.code }, error.message),
    );
  }
}

function cancelled(): WarmlineError {
  return fault('cancelled', 'the question was cancelled');
}

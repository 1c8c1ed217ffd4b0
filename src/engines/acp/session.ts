/**
 * A warm session: one agent process, in it one conversation at a time.
 *
 * Always true: what is heard belongs to the conversation that is open and the turn that runs, or it
 * is not heard; a turn that fails because the agent is gone fails after every process of it is.
 */
import { fault, WarmlineError } from '../../errors.js';
import type { Account } from '../claude/account.js';
import type { EngineSession, SessionEnd, Turn, TurnEvent, TurnResult } from '../engine.js';
import type { Grounder, Grounding } from '../grounding/index.js';
import { Agent, type AgentCommand, type AgentEnd } from './agent.js';
import { complaintOf, explain } from './failures.js';
import { choiceOf } from './models.js';
import { Spoken } from './spoken.js';
import {
  cancelled,
  type Failure,
  failureOf,
  record,
  stopReasonOf,
  TurnHeard,
  textOf,
  usageOf,
} from './turn.js';

/** What an idle agent is given to end by itself; one that works is not waited for. */
const IDLE_GRACE_MS = 500;

/** What a session has from the engine that opened it. */
export interface SessionParts {
  readonly command: AgentCommand;
  readonly grounder: Grounder;
  readonly account: Account;
  /** The model as replies report it. */
  readonly model: string;
  /** The model to choose among those the agent offers. */
  readonly wantedModel: string | undefined;
  /** `_meta` of a new session, where the agent takes the system prompt there. */
  readonly meta: ((system: string) => Record<string, unknown>) | undefined;
  /** What every turn is answered from, where the session is bound to it. */
  readonly bound: Grounding | undefined;
  /** Text of the agent, made fit for an asker to read. */
  readonly showable: (text: string) => string;
}

export class AcpSession implements EngineSession {
  readonly closed: Promise<SessionEnd>;

  readonly #parts: SessionParts;
  readonly #agent: Agent;
  /** The open conversation. */
  #conversation: string | undefined;
  /** The context the conversation was told of, by its identity. */
  #told: string | undefined;
  #turn: TurnHeard | undefined;
  readonly #spoken = new Spoken();
  /** A turn that was stopped may still be heard of in this conversation when it is over. */
  #isTrailing = false;
  #isClosing = false;
  #closing: Promise<void> | undefined;

  /**
   * Starts an agent and opens a conversation in it.
   * @param signal aborted when nobody waits for the session any more
   * @throws WarmlineError, with nothing left behind
   */
  static async open(parts: SessionParts, signal: AbortSignal): Promise<AcpSession> {
    let session: AcpSession | undefined;
    const agent = await Agent.start(parts.command, (params) => session?.hear(params));
    session = new AcpSession(parts, agent);
    const leave = () => void session.close();
    signal.addEventListener('abort', leave, { once: true });
    try {
      signal.throwIfAborted();
      await agent.initialize();
      await session.#converse();
      signal.throwIfAborted();
      return session;
    } catch (thrown) {
      const why = await session.#explain(thrown);
      await session.close();
      signal.throwIfAborted();
      throw why;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  private constructor(parts: SessionParts, agent: Agent) {
    this.#parts = parts;
    this.#agent = agent;
    this.closed = agent.ended.then((end) =>
      this.#isClosing ? { how: 'closed' } : { how: 'died', reason: this.#shown(end) },
    );
  }

  get pids(): readonly number[] {
    return this.#agent.pids;
  }

  memoryBytes(): number | undefined {
    return this.#agent.memoryBytes();
  }

  async turn(turn: Turn, emit: (event: TurnEvent) => void): Promise<TurnResult> {
    const heard = new TurnHeard(emit);
    this.#turn = heard;
    this.#spoken.add(turn.question);
    try {
      // What still comes of the turn that was stopped would be taken for the answer to this one.
      if (this.#isTrailing) await this.#startOver();
      const grounding = this.#parts.bound ?? (await this.#parts.grounder.ground(turn.context));
      const text = await this.#promptOf(turn, grounding);
      if (heard.isCancelled) throw cancelled();
      heard.isAsked = true;
      const response = await this.#agent.prompt(this.#conversation ?? '', text);
      heard.end();
      if (heard.isCancelled) throw cancelled();
      const failure = heard.failure ?? failureOf(response);
      if (failure !== undefined) throw this.#failed(undefined, failure);
      const { answer } = heard;
      const stopReason = stopReasonOf(response, answer);
      this.#told = identityOf(turn);
      this.#parts.account.answered();
      const sources = await grounding.sourcesOf(answer, turn.question);
      const { model } = this.#parts;
      return { answer, sources, model, usage: usageOf(response), stopReason };
    } catch (thrown) {
      heard.end();
      throw await this.#explain(thrown, heard);
    } finally {
      this.#isTrailing ||= heard.isAsked && (heard.isCancelled || heard.failure !== undefined);
      this.#turn = undefined;
    }
  }

  cancel(): void {
    const turn = this.#turn;
    if (turn === undefined) return;
    turn.isCancelled = true;
    // Each time it is asked for: an agent can miss the first, sent before it had begun.
    if (turn.isAsked && this.#conversation !== undefined) this.#agent.cancel(this.#conversation);
  }

  /** Forgets by beginning another conversation; the agent remembers none of the earlier one in it. */
  async reset(): Promise<void> {
    try {
      await this.#startOver();
    } catch (thrown) {
      throw await this.#explain(thrown);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    if (this.#agent.isReachable) this.#isClosing = true;
    await this.#agent.stop(this.#turn === undefined ? IDLE_GRACE_MS : 0);
  }

  /** @param params of a `session/update`, unchecked */
  hear(params: unknown): void {
    const { sessionId, update } = record(params);
    if (sessionId !== this.#conversation || this.#conversation === undefined) return;
    const turn = this.#turn;
    if (turn?.isAsked) {
      const wasRetrying = turn.failure?.isRetrying === true;
      turn.hear(update);
      // Whoever asked decides whether to ask again, and when.
      if (turn.failure?.isRetrying && !wasRetrying) this.#agent.cancel(this.#conversation);
    } else if ((textOf(update) ?? '') !== '' && !this.#isTrailing) {
      // Text that answers nothing could be taken for the answer to what is asked next.
      this.#agent.fail('it talked while nothing was asked');
    }
  }

  async #startOver(): Promise<void> {
    const before = this.#conversation;
    this.#conversation = undefined;
    this.#told = undefined;
    if (before !== undefined) await this.#agent.closeSession(before);
    await this.#converse();
    if (this.#conversation === before) {
      throw fault('engine_error', 'the agent gave a new conversation the id of the one before');
    }
    this.#isTrailing = false;
  }

  async #converse(): Promise<void> {
    const { meta, bound, wantedModel } = this.#parts;
    const session = await this.#agent.newSession(meta?.(bound?.system ?? ''));
    const choice = wantedModel === undefined ? undefined : choiceOf(session, wantedModel);
    if (choice !== undefined) {
      await this.#agent.chooseModel(session.sessionId, choice.configId, choice.value);
    }
    this.#conversation = session.sessionId;
  }

  /**
   * A question never comes first in a prompt: agents take a text that begins with a slash for a
   * command. What to answer from goes before it once in a conversation.
   */
  async #promptOf(turn: Turn, grounding: Grounding): Promise<string> {
    const question = `The question:\n\n${await grounding.userText(turn.question)}`;
    if (this.#parts.bound !== undefined || this.#told === identityOf(turn)) return question;
    return `${grounding.system}\n\n${question}`;
  }

  /** What the asker reads; when the agent is gone, as soon as all of it is. */
  async #explain(thrown: unknown, heard?: TurnHeard): Promise<WarmlineError> {
    if (thrown instanceof WarmlineError) return thrown;
    if (!this.#agent.isReachable) {
      const end = await this.#agent.ended;
      if (this.#isClosing) return fault('engine_error', 'the session was closed; ask again');
      const reason = this.#shown(end);
      return fault('engine_error', `the agent ended: ${reason}; ask again`, { cause: thrown });
    }
    if (heard?.isCancelled) return cancelled();
    return this.#failed(thrown, heard?.failure);
  }

  #failed(thrown: unknown, failure: Failure | undefined): WarmlineError {
    const own = (text: string) => this.#spoken.without(text);
    const why = explain(complaintOf(thrown, failure), this.#parts.showable, own);
    this.#parts.account.failed(why);
    return why;
  }

  /** How it ended is told in our words, which quote no question, whatever was asked. */
  #shown({ reason, isQuoted }: AgentEnd): string {
    return isQuoted ? this.#spoken.without(this.#parts.showable(reason)) : reason;
  }
}

function identityOf({ context }: Turn): string {
  return context?.identity ?? 'no document';
}

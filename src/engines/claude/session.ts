/**
 * One `claude` process that answers turn after turn.
 *
 * Always true: one loop reads what the process says, from its start to its end (leaving the loop
 * would end the process); the process is asked one thing at a time, a question or `/clear`.
 */
import { randomUUID } from 'node:crypto';
import { fault, type WarmlineError } from '../../errors.js';
import type { ProcessTree } from '../../processes/index.js';
import type { EngineSession, SessionEnd, Turn, TurnEvent, TurnResult } from '../engine.js';
import type { Grounding } from '../grounding/index.js';
import type { Account } from './account.js';
import { ClearHeard, type Clearing, type Contents, contentsOf } from './clearing.js';
import { explain, lastLine } from './failures.js';
import type { Input } from './input.js';
import { type Heard, understand } from './messages.js';
import type { Query } from './sdk.js';
import { type Answered, cancelled, TurnHeard } from './turn.js';

/** What a session has from the engine that opened it. */
interface SessionParts {
  readonly query: Query;
  readonly input: Input;
  readonly tree: ProcessTree;
  readonly grounding: Grounding;
  readonly account: Account;
  /** Text of the program or the API, made fit for an asker to read. */
  readonly showable: (text: string) => string;
  /** From SIGTERM to SIGKILL when it is closed, in milliseconds. */
  readonly graceMs: number;
  /** The model as replies report it, once the process has named the one it uses. */
  readonly model: (used: string | undefined) => string;
  /** Told after each answer; a sticky conversation is remembered by it. */
  readonly answered: (conversation: string) => void;
}

export class ClaudeSession implements EngineSession {
  readonly closed: Promise<SessionEnd>;

  readonly #parts: SessionParts;
  #resolveClosed!: (end: SessionEnd) => void;
  #end: SessionEnd | undefined;
  #closing: Promise<void> | undefined;
  #turn: TurnHeard | undefined;
  #clearing: Clearing | undefined;
  #interrupting: Promise<unknown> | undefined;
  #conversation: string | undefined;
  #usedModel: string | undefined;
  #isAstray = false;
  #questions = 0;
  #exit: Awaited<ProcessTree['exited']> | undefined;
  /** What a conversation holds in which nothing was said yet. */
  #nothing: Contents | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    void parts.tree.exited.then((exit) => {
      this.#exit = exit;
    });
    void this.#listen();
  }

  get pids(): readonly number[] {
    return this.#parts.tree.pids;
  }

  memoryBytes(): number | undefined {
    return this.#parts.tree.memoryBytes();
  }

  async turn({ question }: Turn, emit: (event: TurnEvent) => void): Promise<TurnResult> {
    if (this.#end !== undefined) throw gone(this.#end);
    const turn = new TurnHeard(emit, this.#parts.showable);
    this.#turn = turn;
    try {
      const text = await this.#parts.grounding.userText(question);
      if (turn.why !== undefined) throw turn.why;
      if (this.#end === undefined) {
        this.#questions += 1;
        turn.question = this.#say(text, true);
      }
      const answered = await turn.outcome;
      this.#parts.account.answered();
      return await this.#resultOf(answered, question);
    } catch (thrown) {
      // Only what the API said tells of the account, not what was stopped before it spoke.
      if (turn.question !== undefined) this.#parts.account.failed(thrown as WarmlineError);
      throw thrown;
    } finally {
      this.#turn = undefined;
    }
  }

  cancel(): void {
    const turn = this.#turn;
    if (turn === undefined) return;
    turn.stop(cancelled());
    // A reminder: whether the first interrupt arrived is not known.
    if (turn.canBeInterrupted) this.#interrupt();
  }

  /**
   * Discards the conversation, and makes sure of it: another conversation has begun, and by the
   * program's own account it holds exactly what one holds in which nothing was said yet.
   */
  async reset(): Promise<void> {
    await this.#interrupting;
    if (this.#end !== undefined) throw gone(this.#end);
    if (this.#isAstray) throw fault('engine_error', 'claude answered what it was not asked');
    const before = this.#conversation;
    const clearing = new ClearHeard();
    this.#clearing = clearing;
    try {
      this.#say('/clear', false);
      const now = await clearing.outcome;
      const usage = await this.#parts.query.getContextUsage({ detail: 'summary' });
      const contents = contentsOf(usage);
      this.#nothing ??= contents;
      if (now === before || contents !== this.#nothing || contents === undefined) {
        throw fault('engine_error', 'claude kept something of a conversation it was to forget');
      }
      this.#conversation = now;
    } finally {
      this.#clearing = undefined;
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#endProcess();
    return this.#closing;
  }

  /** What still runs ends with the last process: nobody waits for an answer, nobody works on one. */
  async #endProcess(): Promise<void> {
    const wasOpen = this.#end === undefined;
    this.#end ??= { how: 'closed' };
    this.#parts.input.end();
    this.#parts.query.close();
    await this.#parts.tree.kill(this.#parts.graceMs);
    if (wasOpen) this.#settle(this.#end);
  }

  async #resultOf(answered: Answered, question: string): Promise<TurnResult> {
    const { answer, usage, stopReason, conversation } = answered;
    if (conversation !== undefined) this.#parts.answered(conversation);
    const sources = await this.#parts.grounding.sourcesOf(answer, question);
    return { answer, sources, model: this.#parts.model(this.#usedModel), usage, stopReason };
  }

  /** @param composed false only for commands of ours: they act, a question never does */
  #say(content: string, composed: boolean): string {
    const uuid = randomUUID();
    this.#parts.input.push({
      type: 'user',
      message: { role: 'user', content },
      parent_tool_use_id: null,
      uuid,
      ...(composed ? { client_composed: true as const } : {}),
    });
    return uuid;
  }

  async #listen(): Promise<void> {
    try {
      for await (const message of this.#parts.query) this.#hear(understand(message));
    } catch {
      // What it says may quote a question; how the process ended is known without it.
    }
    if (this.#end !== undefined) return;
    this.#end = { how: 'died', reason: howItEnded(this.#exit) };
    this.#settle(this.#end);
  }

  /** Last words that may quote a question are for its asker: there is only one before the second. */
  #lastWords(): string {
    if (this.#questions > 1) return '';
    return this.#parts.showable(lastLine(this.#parts.tree.stderrTail()));
  }

  #hear(heard: Heard): void {
    if (heard.type === 'init') {
      this.#usedModel = heard.model ?? this.#usedModel;
      this.#parts.model(this.#usedModel);
      this.#conversation ??= heard.conversation;
    }
    this.#clearing?.hear(heard);
    const turn = this.#turn;
    if (turn === undefined || turn.isOver) {
      // It answers what it was not asked: its next answer may belong to anything.
      if (heard.type === 'result' && this.#clearing === undefined) this.#isAstray = true;
      return;
    }
    const { account } = this.#parts;
    turn.hear(heard, heard.type === 'limit' ? account.untilMs(heard.resetAtMs) : undefined);
    if (turn.why !== undefined && turn.canBeInterrupted) this.#interrupt();
  }

  /** As often as the process goes on with what it was to stop: an early interrupt can be lost. */
  #interrupt(): void {
    if (this.#interrupting !== undefined) return;
    const over = () => {
      this.#interrupting = undefined;
    };
    this.#interrupting = this.#parts.query.interrupt().then(over, over);
  }

  #settle(end: SessionEnd): void {
    this.#turn?.fail(gone(end, this.#lastWords()));
    this.#clearing?.fail(gone(end));
    this.#resolveClosed(end);
  }
}

function gone(end: SessionEnd, lastWords = ''): WarmlineError {
  if (end.how === 'closed') return fault('engine_error', 'the session was closed; ask again');
  return explain({ said: lastWords === '' ? end.reason : `${end.reason}: ${lastWords}` });
}

/** Seen by others than the asker: nothing the program said is in it. */
function howItEnded(exit: Awaited<ProcessTree['exited']> | undefined): string {
  if (exit === undefined) return 'its output ended';
  return exit.signal === null
    ? `it exited with code ${exit.code}`
    : `it was ended by ${exit.signal}`;
}

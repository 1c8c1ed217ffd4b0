/**
 * The engine contract: a way to get a turn answered by something that stays warm.
 *
 * An `Engine` opens sessions. An `EngineSession` answers one turn at a time. Who decides when a
 * session is opened, reused, reset, recycled or given up is the sessions room, never the engine:
 * an engine holds no pool, no queue, no retry and no clock of its own.
 *
 * Rules every adapter keeps (one suite, `test/contract/engine.suite.ts`, runs over each adapter):
 *  - `turn` settles exactly once. After it settled, `emit` is never called again for that turn.
 *  - The joined texts of a turn's deltas equal the result's `answer`, when any delta was emitted.
 *  - After `cancel`, `turn` rejects with `cancelled` as soon as the work has really stopped; an
 *    adapter that cannot stop lets `turn` hang and the owner calls `close`.
 *  - `close` ends at once everything the session started, the whole process tree included, and
 *    may be called twice, during a turn, and before `open`'s caller has used the session.
 *  - `closed` resolves once, however the session ends, and never rejects.
 */
import type { ContextFile } from '../context/context.js';

export type TurnStage = 'starting' | 'running' | 'tool_execution' | 'generating_response';

export type TurnEvent =
  | { readonly type: 'delta'; readonly text: string }
  | { readonly type: 'progress'; readonly stage: TurnStage; readonly message?: string }
  /** Bytes came, but nothing a person could read: proof of life for the idle clock. */
  | { readonly type: 'alive' };

export interface Turn {
  readonly question: string;
  readonly context: ContextFile | undefined;
}

export interface Usage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly [more: string]: number;
}

export interface TurnResult {
  readonly answer: string;
  /** Citations, `FILE.md:from-to`, lines counted from 1, both ends included. */
  readonly sources: readonly string[];
  readonly model: string;
  readonly usage?: Usage | undefined;
  readonly stopReason?: string | undefined;
}

export type SessionEnd =
  | { readonly how: 'closed' }
  /** The session ended by itself: a crash, an exit, a lost connection. */
  | { readonly how: 'died'; readonly reason: string };

export interface EngineSession {
  /**
   * Answers one turn. Never called while another turn runs or a reset is under way.
   * @throws WarmlineError `engine_error`, `engine_auth`, `engine_limit`, `engine_unavailable`,
   *   `context_missing`, `cancelled`, …: whatever the asker should read.
   */
  turn(turn: Turn, emit: (event: TurnEvent) => void): Promise<TurnResult>;
  /** Asks the running turn to stop; may be asked again while it stops. Nothing when none runs. */
  cancel(): void;
  /** Forgets every earlier turn. Called between turns, off the path of any question. */
  reset(): void | Promise<void>;
  close(): Promise<void>;
  readonly closed: Promise<SessionEnd>;
  /** Processes this session runs in, for `health`; empty when it lives inside this one. */
  readonly pids: readonly number[];
  /** Memory held by the session outside this process, in bytes, when the engine can tell. */
  memoryBytes?(): number | undefined;
}

export interface OpenOptions {
  /** The context a session of an engine that `binds` to one is opened for. */
  readonly context: ContextFile | undefined;
  /** The key of a sticky session; a resumable engine may pick up an earlier conversation by it. */
  readonly sticky: string | undefined;
  /** Aborted when nobody waits for the session any more; `open` then rejects and leaves nothing. */
  readonly signal: AbortSignal;
}

export interface EngineStatus {
  readonly auth: 'ok' | 'failed' | 'unknown';
  readonly limit: { readonly state: 'ok' | 'limited'; readonly resetAtMs?: number | undefined };
}

export interface Engine {
  /** The adapter's name, `extract`, `fake`, `claude`. */
  readonly name: string;
  /** The model that answers, as replies report it. */
  readonly model: string;
  /**
   * `context`: a session is opened for one context file (it sits in a cached system prompt) and
   * serves no other. `nothing`: any session serves any context.
   */
  readonly binds: 'nothing' | 'context';
  /**
   * True when `open` picks up the earlier conversation of a sticky key: such a key is then given
   * a session opened for it, never a warm spare.
   */
  readonly resumes?: boolean;
  open(options: OpenOptions): Promise<EngineSession>;
  status(): EngineStatus;
  /** Releases what is shared between sessions (caches, agents). Sessions are closed before. */
  close(): Promise<void>;
}

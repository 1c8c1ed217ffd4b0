/** Who leaves, and why: pure. The pool acts on it, always replacing before it drains. */
import { type EngineTraits, type SessionFacts, suitsUnclaimed, type Wanted } from './affinity.js';

export interface WearLimits {
  /** Turns after which a session is replaced. */
  readonly maxTurns: number;
  /** Age after which a session is replaced, in milliseconds. */
  readonly maxAgeMs: number;
  /** Memory at which a session is replaced, in bytes. */
  readonly maxMemoryBytes: number;
  /** Failed turns in a row after which a session is replaced. */
  readonly maxFaults: number;
}

export type Wear = 'turns' | 'age' | 'memory' | 'faults';

/**
 * Why a session is due for replacement. A sticky session holds a conversation that a replacement
 * would lose, so turns and age do not end it; memory and faults do.
 */
export function wear(session: SessionFacts, nowMs: number, limits: WearLimits): Wear | undefined {
  if (session.faults >= limits.maxFaults) return 'faults';
  if ((session.memoryBytes() ?? 0) >= limits.maxMemoryBytes) return 'memory';
  if (session.key !== undefined) return undefined;
  if (session.turns >= limits.maxTurns) return 'turns';
  if (nowMs - session.openedMs >= limits.maxAgeMs) return 'age';
  return undefined;
}

/**
 * How many fresh sessions stay however long they idle: enough for the most turns that ran at once
 * lately, and the spares beside them. A pool that has served once keeps room for one turn, so that
 * slow traffic does not start a process for every question.
 */
export function floor(spares: number, peak: number, served: boolean): number {
  if (spares === 0) return peak;
  return spares + Math.max(served ? 1 : 0, peak);
}

/** Ready sessions that have idled too long: every sticky one, and fresh ones above the floor. */
export function whoLeaves<S extends SessionFacts>(
  sessions: readonly S[],
  nowMs: number,
  idleMs: number,
  keep: number,
): S[] {
  const idle = (session: S) =>
    session.state.at === 'ready' && !session.leaving && nowMs - session.usedMs >= idleMs;
  const fresh = sessions.filter((session) => session.key === undefined && isLive(session));
  const surplus = Math.max(0, fresh.length - keep);
  const sticky = sessions.filter((session) => session.key !== undefined && idle(session));
  return [...sticky, ...fresh.filter(idle).sort(leastRecent).slice(0, surplus)];
}

/**
 * The one of these resting sessions that makes room for a query none of them suits: the least
 * recently used, fresh ones first, for they hold nothing.
 */
export function victim<S extends SessionFacts>(resting: readonly S[]): S | undefined {
  return [...resting]
    .sort((a, b) => Number(a.key !== undefined) - Number(b.key !== undefined) || leastRecent(a, b))
    .at(0);
}

/**
 * Whether a victim can serve the query once it forgot its conversation, without a cold start. What
 * an engine can resume it has stored: forgetting would erase it there, so that session is closed.
 */
export function canRebind(session: SessionFacts, wanted: Wanted, traits: EngineTraits): boolean {
  if (session.key === undefined || traits.resumes === true) return false;
  return suitsUnclaimed(session.contextId, wanted, traits) > 0;
}

export function isLive({ state, leaving }: SessionFacts): boolean {
  return !leaving && state.at !== 'closing' && state.at !== 'closed';
}

/** It is, or will be, ready for a turn. */
export function canStay({ state, leaving }: SessionFacts): boolean {
  return !leaving && (state.at === 'ready' || state.at === 'opening' || state.at === 'resetting');
}

function leastRecent(a: SessionFacts, b: SessionFacts): number {
  return a.usedMs - b.usedMs;
}

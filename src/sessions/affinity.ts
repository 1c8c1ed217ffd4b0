/** Which session serves a query: pure, and the same whichever engine is behind it. */
import type { Engine } from '../engines/index.js';
import type { SessionState } from './states.js';

/** What the policies read of a session. */
export interface SessionFacts {
  readonly state: SessionState<unknown>;
  /** The sticky key the session belongs to; undefined when it serves fresh queries. */
  readonly key: string | undefined;
  /** Identity of the context it is bound to, or of the one it served last. */
  readonly contextId: string | undefined;
  /** To be closed as soon as it rests: it takes no further turn. */
  readonly leaving: boolean;
  readonly openedMs: number;
  /** When its last turn ended, or when it opened. */
  readonly usedMs: number;
  /** Turns since it was opened. */
  readonly turns: number;
  /** Failed turns in a row. */
  readonly faults: number;
  memoryBytes(): number | undefined;
}

export interface Wanted {
  readonly key: string | undefined;
  readonly contextId: string | undefined;
}

export type EngineTraits = Pick<Engine, 'binds' | 'resumes'>;

/**
 * The ready session for a query: the key's own, else one that served the same context, else any.
 * Among equals the one used last, so that the others can rest and be retired.
 */
export function choose<S extends SessionFacts>(
  sessions: readonly S[],
  wanted: Wanted,
  traits: EngineTraits,
): S | undefined {
  let best: S | undefined;
  let bestRank = 0;
  for (const session of sessions) {
    if (session.state.at !== 'ready' || session.leaving) continue;
    const rank = suits(session, wanted, traits);
    if (rank === 0) continue;
    if (
      rank > bestRank ||
      (rank === bestRank && best !== undefined && session.usedMs > best.usedMs)
    ) {
      best = session;
      bestRank = rank;
    }
  }
  return best;
}

/** How well a session suits a query once it is ready: 0 not at all, 3 best. */
export function suits(session: SessionFacts, wanted: Wanted, traits: EngineTraits): 0 | 1 | 2 | 3 {
  if (session.key === undefined) return suitsUnclaimed(session.contextId, wanted, traits);
  if (session.key !== wanted.key) return 0;
  return traits.binds === 'context' && session.contextId !== wanted.contextId ? 0 : 3;
}

/** The same for a session that belongs to no key. */
export function suitsUnclaimed(
  contextId: string | undefined,
  wanted: Wanted,
  traits: EngineTraits,
): 0 | 1 | 2 {
  if (wanted.key !== undefined && traits.resumes === true) return 0;
  if (contextId === wanted.contextId) return 2;
  return traits.binds === 'context' ? 0 : 1;
}

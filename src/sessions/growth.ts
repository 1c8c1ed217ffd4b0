/** What the pool does for queries that no ready session suits: pure. */
import { type EngineTraits, type SessionFacts, suits, type Wanted } from './affinity.js';
import { canRebind, victim } from './eviction.js';

export type Step<S, W> =
  | { readonly do: 'open'; readonly wanted: W }
  /** A sticky session forgets its conversation and serves the query. */
  | { readonly do: 'rebind'; readonly session: S }
  /** It leaves so that another can open in its place. */
  | { readonly do: 'close'; readonly session: S };

export interface Room {
  /** How many more sessions may open. */
  readonly slots: number;
  /** False while the engine backs off: then nothing leaves for a session that could not open. */
  readonly mayOpen: boolean;
}

/**
 * One step for each waiting query, in order of service, until nothing more can be done. A query
 * that a session on its way will serve, or a slot about to be free, needs no step.
 */
export function growth<S extends SessionFacts, W extends Wanted>(
  line: readonly W[],
  sessions: readonly S[],
  room: Room,
  traits: EngineTraits,
  isAwaited: (session: S, by: W) => boolean,
): Step<S, W>[] {
  const steps: Step<S, W>[] = [];
  let slots = room.mayOpen ? room.slots : 0;
  const coming = sessions.filter(
    ({ state, leaving }) => !leaving && (state.at === 'opening' || state.at === 'resetting'),
  );
  let resting = sessions.filter(isResting);
  let freed = sessions.filter(({ state }) => state.at === 'closing').length;
  for (const wanted of line) {
    const served = coming.findIndex((session) => suits(session, wanted, traits) > 0);
    if (served !== -1) {
      coming.splice(served, 1);
    } else if (freed > 0) {
      freed -= 1;
    } else if (slots > 0) {
      slots -= 1;
      steps.push({ do: 'open', wanted });
    } else {
      const leaver = victim(resting.filter((session) => !isAwaited(session, wanted)));
      const rebinds = leaver !== undefined && canRebind(leaver, wanted, traits);
      if (leaver !== undefined && (rebinds || room.mayOpen)) {
        resting = resting.filter((session) => session !== leaver);
        steps.push({ do: rebinds ? 'rebind' : 'close', session: leaver });
      } else if (coming.length === 0) {
        break;
      }
    }
  }
  return steps;
}

/** Time after which the first query may take the place of sessions that suit only younger ones. */
const RESTLESS_MS = 1_000;
/** Time after which the oldest may take even a sticky session whose next question waits. */
const OVERDUE_MS = 30_000;

export function isRestless(waitedMs: number): boolean {
  return waitedMs >= RESTLESS_MS;
}

export function isOverdue(waitedMs: number): boolean {
  return waitedMs >= OVERDUE_MS;
}

/** It can be given to a turn. */
export function isResting({ state, leaving }: SessionFacts): boolean {
  return state.at === 'ready' && !leaving;
}

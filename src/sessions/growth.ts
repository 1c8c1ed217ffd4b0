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
  isAwaited: (key: string) => boolean,
): Step<S, W>[] {
  const steps: Step<S, W>[] = [];
  let slots = room.mayOpen ? room.slots : 0;
  // The usual case of a busy pool, and asked with every turn: nothing to open, nobody to move.
  if (slots <= 0 && !sessions.some(isResting)) return steps;
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
      const leaver = victim(resting, isAwaited);
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

/** A query this old may take the place of a session that younger queries would use. */
const RESTLESS_MS = 1_000;
/** And this old even that of a sticky session whose next question waits already. */
const OVERDUE_MS = 30_000;

export function patienceOf(waitedMs: number): 'patient' | 'restless' | 'overdue' {
  if (waitedMs >= OVERDUE_MS) return 'overdue';
  return waitedMs >= RESTLESS_MS ? 'restless' : 'patient';
}

function isResting({ state, leaving }: SessionFacts): boolean {
  return state.at === 'ready' && !leaving;
}

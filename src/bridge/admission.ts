/** Whether a query runs, joins another, gets a stored answer or is refused: pure. */
import { fault, type WarmlineError } from '../errors.js';
import type { Query } from './contract.js';

export type Admission<F, R> =
  | { readonly kind: 'run' }
  | { readonly kind: 'join'; readonly flight: F }
  | { readonly kind: 'replay'; readonly stored: R }
  | { readonly kind: 'refuse'; readonly error: WarmlineError };

const RUN = { kind: 'run' } as const;

export interface AdmissionFacts<F, R> {
  readonly stopping: boolean;
  /** The running query with the same request id. */
  readonly flight: F | undefined;
  /** The stored reply to an earlier query with the same request id. */
  readonly stored: R | undefined;
}

export function admit<F extends { readonly query: Query }, R extends { readonly query: Query }>(
  query: Query,
  { stopping, flight, stored }: AdmissionFacts<F, R>,
): Admission<F, R> {
  const earlier = flight ?? stored;
  if (earlier !== undefined && !isSame(earlier.query, query)) {
    return { kind: 'refuse', error: conflict(query) };
  }
  // Even a server that stops tells what it knows, and lets a lost asker find its running query.
  if (flight !== undefined) return { kind: 'join', flight };
  if (stored !== undefined) return { kind: 'replay', stored };
  return stopping ? { kind: 'refuse', error: shuttingDown() } : RUN;
}

/** What a request id stands for. Time, priority and streaming may differ from one try to the next. */
function isSame(a: Query, b: Query): boolean {
  return (
    a.question === b.question &&
    a.contextFile === b.contextFile &&
    a.session === b.session &&
    a.model === b.model
  );
}

/** Look-ups take no session and stand in no line, so they have a bound of their own. */
export const MAX_LOOKUPS = 1024;

export function lookupsFull(lookingUp: number): WarmlineError | undefined {
  if (lookingUp < MAX_LOOKUPS) return undefined;
  return fault('busy', `${lookingUp} queries wait for their context file; ask again later`, {
    retryAfterMs: 100,
  });
}

export function shuttingDown(): WarmlineError {
  return fault('shutting_down', 'warmline is stopping; ask again in a moment');
}

function conflict({ requestId }: Query): WarmlineError {
  return fault(
    'conflict',
    `request_id ${JSON.stringify(requestId)} was used for another question; choose a new one`,
  );
}

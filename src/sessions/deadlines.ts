/** Holds one session to its time: what is overdue is acted on. */
import { fault, type WarmlineError } from '../errors.js';
import { runsOutMs, timeIsUp } from './clocks.js';
import type { PoolLimits } from './limits.js';
import type { Session } from './session.js';

/** @returns when to look at the session again, in monotonic milliseconds */
export function holdToTime(session: Session, limits: PoolLimits, nowMs: number): number {
  const { state } = session;
  switch (state.at) {
    case 'ready':
    case 'closed':
      return Number.POSITIVE_INFINITY;
    case 'busy': {
      const why = timeIsUp(state.turn, limits, nowMs);
      if (why === undefined) return runsOutMs(state.turn, limits);
      session.stop(why);
      return nowMs + limits.graceMs / 2;
    }
    case 'stopping':
      return holdToGrace(session, state, limits, nowMs);
    case 'opening':
      if (nowMs < state.sinceMs + limits.openMs) return state.sinceMs + limits.openMs;
      session.giveUp(fault('engine_unavailable', `no session within ${limits.openMs} ms`));
      return nowMs + limits.closeMs;
    case 'resetting':
      if (nowMs < state.sinceMs + limits.resetMs) return state.sinceMs + limits.resetMs;
      session.giveUp(fault('engine_error', `no reset within ${limits.resetMs} ms`));
      return nowMs + limits.closeMs;
    case 'closing':
      if (nowMs < state.sinceMs + limits.closeMs) return state.sinceMs + limits.closeMs;
      session.ended();
      return Number.POSITIVE_INFINITY;
    default:
      return state satisfies never;
  }
}

/** Cancelled at first, cancelled again half-way, closed at the end of the grace. */
function holdToGrace(
  session: Session,
  { sinceMs }: { readonly sinceMs: number },
  limits: PoolLimits,
  nowMs: number,
): number {
  const endMs = sinceMs + limits.graceMs;
  if (nowMs >= endMs) {
    session.giveUp(doesNotStop(limits.graceMs));
    return nowMs + limits.closeMs;
  }
  if (session.reminded) return endMs;
  if (nowMs < sinceMs + limits.graceMs / 2) return sinceMs + limits.graceMs / 2;
  session.remind();
  return endMs;
}

/** For the log and `health`: the asker reads why it was stopped. */
function doesNotStop(graceMs: number): WarmlineError {
  return fault('engine_error', `a turn did not stop within ${graceMs} ms; its session was closed`);
}

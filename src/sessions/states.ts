/**
 * The life of a warm session, as a pure table.
 *
 *     opening --opened--> ready --started--> busy --settled--> resetting --reset--> ready
 *        |                  |  \                |  \--settled (keeps its context)--> ready
 *        |                  |   --forget--> resetting
 *        |                  |                   --stop--> stopping --settled--> as from busy
 *        +------------------+-------------------+------------+--- end --> closing --ended--> closed
 *
 * Always true: a turn is in exactly one session, and only in `busy` or `stopping`; a turn that was
 * cut off by the end of its session is `owed` its outcome until the session is really gone. An
 * event that comes too late for the state it meets changes nothing.
 */
import type { WarmlineError } from '../errors.js';

export interface Owed<T> {
  readonly turn: T;
  /** What its asker reads once the session is gone. */
  readonly why: WarmlineError;
}

export type SessionState<T> =
  | { readonly at: 'opening'; readonly sinceMs: number }
  | { readonly at: 'ready'; readonly sinceMs: number }
  | { readonly at: 'busy'; readonly turn: T }
  | {
      readonly at: 'stopping';
      readonly turn: T;
      readonly why: WarmlineError;
      readonly sinceMs: number;
    }
  | { readonly at: 'resetting'; readonly sinceMs: number }
  | { readonly at: 'closing'; readonly sinceMs: number; readonly owed: Owed<T> | undefined }
  | { readonly at: 'closed' };

export type SessionEvent<T> =
  | { readonly type: 'opened'; readonly nowMs: number }
  | { readonly type: 'started'; readonly turn: T }
  | { readonly type: 'stop'; readonly why: WarmlineError; readonly nowMs: number }
  /** `keepsContext`: the session is sticky, what was said stays. */
  | { readonly type: 'settled'; readonly keepsContext: boolean; readonly nowMs: number }
  /** A sticky session that waits gives up its conversation to serve others. */
  | { readonly type: 'forget'; readonly nowMs: number }
  | { readonly type: 'reset'; readonly nowMs: number }
  | { readonly type: 'end'; readonly why: WarmlineError; readonly nowMs: number }
  | { readonly type: 'ended' };

/** The state after an event; the same object when the event has no meaning in this state. */
export function next<T>(state: SessionState<T>, event: SessionEvent<T>): SessionState<T> {
  switch (event.type) {
    case 'opened':
      return state.at === 'opening' ? { at: 'ready', sinceMs: event.nowMs } : state;
    case 'started':
      return state.at === 'ready' ? { at: 'busy', turn: event.turn } : state;
    case 'stop':
      if (state.at !== 'busy') return state;
      return { at: 'stopping', turn: state.turn, why: event.why, sinceMs: event.nowMs };
    case 'settled':
      if (state.at !== 'busy' && state.at !== 'stopping') return state;
      return { at: event.keepsContext ? 'ready' : 'resetting', sinceMs: event.nowMs };
    case 'forget':
      return state.at === 'ready' ? { at: 'resetting', sinceMs: event.nowMs } : state;
    case 'reset':
      return state.at === 'resetting' ? { at: 'ready', sinceMs: event.nowMs } : state;
    case 'end':
      if (state.at === 'closing' || state.at === 'closed') return state;
      return { at: 'closing', sinceMs: event.nowMs, owed: owedBy(state, event.why) };
    case 'ended':
      return state.at === 'closing' ? { at: 'closed' } : state;
    default:
      return event satisfies never;
  }
}

function owedBy<T>(state: SessionState<T>, why: WarmlineError): Owed<T> | undefined {
  if (state.at === 'busy') return { turn: state.turn, why };
  // The asker already has a reason, its own timeout or cancellation: the end is only its price.
  if (state.at === 'stopping') return { turn: state.turn, why: state.why };
  return undefined;
}

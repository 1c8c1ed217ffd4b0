/** What the suite of the bus needs from an adapter beside its contract: the other programs. */
import type { Bus, BusObserver, Side } from '../../src/bus/index.js';
import { type Owner, thisProcess } from '../../src/bus/owner.js';
import type { RawRow, TestClock } from '../support/temp-bus.js';

export interface JoinOptions {
  readonly session?: Side;
  readonly observer?: BusObserver;
  readonly owner?: Owner;
}

export interface SeenRow {
  readonly id: number;
  readonly conversationId: string;
  readonly from: string;
  readonly to: string;
  readonly message: string;
  readonly metadata: string | null;
  readonly read: boolean;
}

export interface BusHarness {
  readonly clock: TestClock;
  /** One more process on the same bus. */
  join(options?: JoinOptions): Bus;
  /** What other programs do to the bus. */
  insert(row: RawRow): number;
  deleteQuestion(id: number): void;
  deleteConversation(id: string): void;
  setExpiry(conversationId: string, atUs: number): void;
  markRead(id: number): void;
  rewrite(id: number, message: string, metadata: string): void;
  /** What other programs see. */
  rows(): SeenRow[];
  status(conversationId: string, side: Side): string | undefined;
  /** Our audit: how each finished question ended. */
  outcomes(): Map<number, string>;
}

/** A process that the others can prove to be gone. */
export function goneOwner(): Owner {
  return { ...thisProcess(), start: '1' };
}

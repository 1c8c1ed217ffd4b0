/** One lane by itself: who has it, and what is wrong with its fields. Pure but for a look at `/proc`. */
import { isGone, type Owner, parseOwner } from '../../owner.js';

export interface Lane {
  readonly session: string;
  readonly conversation: string;
  readonly head: number;
  readonly tail: number;
  readonly unfinished: number;
  readonly state: 'ready' | 'leased' | 'expired' | 'waiting';
  readonly readyAtUs: number;
  readonly attempts: number;
  readonly claimedAtUs: number | null;
  readonly token: string | null;
  readonly owner: string | null;
  readonly untilUs: number | null;
  /** The last attempt at the head that has been noted as ended; 0 when there is none. */
  readonly recorded: number;
  /** Its conversation exists. */
  readonly isOpen: 0 | 1;
  /** It is noted what its head waits for. */
  readonly depends: 0 | 1;
}

/** Who looks, and when. */
export interface Look {
  readonly nowUs: number;
  readonly here: Owner;
}

/**
 * No lease and no delay is longer: settings take at most this many milliseconds. One that is comes
 * from a clock that was wrong for a while.
 */
const LONGEST_US = 2 ** 31 * 1000;

export function isTooFar(us: number, { nowUs }: Look): boolean {
  return us > nowUs + LONGEST_US;
}

/** Leased by somebody who lives, as far as can be told from here: not to be touched. */
export function isHeld(lane: Lane, look: Look): boolean {
  if (lane.state !== 'leased' || lane.owner === null || isGone(lane.owner, look.here)) return false;
  if (isSeen(lane.owner, look.here)) return true;
  return lane.untilUs !== null && lane.untilUs > look.nowUs && !isTooFar(lane.untilUs, look);
}

/** Of this machine, so that `isGone` was no guess. */
function isSeen(text: string, here: Owner): boolean {
  const owner = parseOwner(text);
  return (
    owner !== undefined &&
    owner.boot !== '' &&
    owner.boot === here.boot &&
    owner.namespace === here.namespace &&
    owner.start !== ''
  );
}

/** Sentences, none for a lane as it ought to be; how it hangs together is looked at elsewhere. */
export function faultsOf(lane: Lane, look: Look): string[] {
  const { conversation, head, state, attempts, recorded } = lane;
  const isLeased = state === 'leased';
  const faults: (string | false)[] = [
    isLeased &&
      (lane.owner === null || lane.untilUs === null || lane.claimedAtUs === null) &&
      `question ${head} is leased, and it is not noted by whom and until when`,
    isLeased &&
      isTooFar(lane.untilUs ?? 0, look) &&
      !isHeld(lane, look) &&
      `question ${head} is leased for longer than any lease lasts`,
    state === 'ready' &&
      isTooFar(lane.readyAtUs, look) &&
      `question ${head} is delayed for longer than any delay lasts`,
    state === 'waiting' &&
      lane.depends === 0 &&
      `question ${head} waits for others, and it is not noted for which`,
    // A lane that can be claimed is ended by the next claim; one that cannot would stay for ever.
    lane.isOpen === 0 &&
      !isLeased &&
      (state !== 'ready' || lane.readyAtUs > look.nowUs) &&
      `conversation ${conversation} is gone, and its lane is kept from being ended`,
    isMiscounted(lane) &&
      `question ${head} has ${recorded} attempts noted as ended, and ${attempts} are counted${isLeased ? ', one of them running' : ''}`,
  ];
  return faults.filter((fault) => fault !== false);
}

/** Attempts that ended before they were noted one by one are counted and not noted. */
function isMiscounted({ state, attempts, recorded }: Lane): boolean {
  const ended = attempts - (state === 'leased' ? 1 : 0);
  return recorded === 0 ? ended < 0 : ended !== recorded;
}

/**
 * Whether what the transactions keep of the queue is the truth, and mending where it is not.
 *
 * The truth is in `messages` (which rows are unread, and whom they are for) and in `warmline_done`
 * (which are finished). Everything else of the queue follows from these two and can be made anew:
 * the lanes, the links between unfinished questions, the watermark, the counts.
 *
 * All of it is read in one read transaction, so a queue at work is seen between two of its own
 * transactions and shows no difference. Each mend is a short transaction of its own that first makes
 * sure that nothing has changed since; what has is looked at again in the next round.
 */
import { type Clock, systemClock } from '../../../clock.js';
import { thisProcess } from '../../owner.js';
import type { SqliteBus } from '../../sqlite/store.js';
import { findInCounts, findInDepends, findInIgnorable, findInMarks } from './counts.js';
import type { Finding, FindingKind, MendStep } from './finding.js';
import { findInLanes } from './lanes.js';
import { findUnheld } from './unheld.js';

/** A difference between what is kept and the truth, in a sentence. */
export interface Told {
  readonly kind: FindingKind;
  readonly message: string;
}

export interface Verification {
  /** What is not as it should be, after any repair; at most 10,000 of each kind are named. */
  readonly findings: readonly Told[];
  /** What has been mended. */
  readonly repaired: readonly Told[];
}

export interface VerifyOptions {
  readonly repair?: boolean;
  readonly clock?: Clock;
}

/** Enough for a million lost questions; a round that mends nothing is the last anyway. */
const MAX_ROUNDS = 100;
/** Mends that may share transactions. */
const MENDS_TOGETHER = 100;

/**
 * Looks at the queue of both sides, and mends it with `repair`: a lane leased by a living owner is
 * left alone, and of the foreign tables only the read marks of finished questions are written.
 * @throws BusError
 */
export async function verifyBus(
  bus: SqliteBus,
  { repair = false, clock = systemClock }: VerifyOptions = {},
): Promise<Verification> {
  const repaired = new Map<string, Told>();
  let findings = findAll(bus, clock);
  for (let round = 0; repair && findings.length > 0 && round < MAX_ROUNDS; round += 1) {
    const mended = await mendAll(bus, findings);
    for (const told of mended.flatMap(tell)) repaired.set(told.message, told);
    findings = findAll(bus, clock);
    if (mended.length === 0) break;
  }
  const left = findings.flatMap(tell);
  for (const { message } of left) repaired.delete(message);
  return { findings: left, repaired: [...repaired.values()] };
}

function tell({ kind, messages }: Finding): Told[] {
  return messages.map((message) => ({ kind, message }));
}

/** One snapshot: a read transaction sees nothing that is committed after its first look. */
function findAll(bus: SqliteBus, clock: Clock): Finding[] {
  const look = { nowUs: clock.wallUs(), here: thisProcess() };
  return bus.read((db) =>
    db
      .transaction(() => {
        const unheld = findUnheld(db);
        return [
          ...findInCounts(db),
          ...findInMarks(unheld),
          ...findInIgnorable(db),
          ...findInLanes(db, unheld, look),
          ...findInDepends(db),
        ];
      })
      .deferred(),
  );
}

/**
 * One that cannot be mended stops no other.
 * @returns what was mended; the rest has changed since, or has to wait
 * @throws BusError the first failure, after everything else was tried
 */
async function mendAll(bus: SqliteBus, findings: readonly Finding[]): Promise<Finding[]> {
  const mended: Finding[] = [];
  const failures: unknown[] = [];
  for (let at = 0; at < findings.length; at += MENDS_TOGETHER) {
    const page = findings.slice(at, at + MENDS_TOGETHER);
    const ends = await Promise.allSettled(page.map(({ steps }) => runAll(bus, steps)));
    for (const [index, end] of ends.entries()) {
      const finding = page[index];
      if (end.status === 'rejected') failures.push(end.reason);
      else if (end.value && finding) mended.push(finding);
    }
  }
  if (failures.length > 0) throw failures[0];
  return mended;
}

async function runAll(bus: SqliteBus, steps: readonly MendStep[]): Promise<boolean> {
  for (const step of steps) {
    if (!(await bus.write((db, nowUs) => step(db, nowUs)))) return false;
  }
  return steps.length > 0;
}

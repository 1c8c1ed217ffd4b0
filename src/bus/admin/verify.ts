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
import { type Clock, systemClock } from '../../clock.js';
import { thisProcess } from '../owner.js';
import type { SqliteBus } from '../sqlite/store.js';
import { findInCounts, findInDepends, findInIgnorable, findInMarks } from './verify-counts.js';
import type { Finding, MendStep } from './verify-finding.js';
import { findInLanes } from './verify-lanes.js';
import { findUnheld } from './verify-unheld.js';

export interface Verification {
  /** What is not as it should be, after any repair; at most 10,000 of each kind are named. */
  readonly findings: readonly Pick<Finding, 'kind' | 'message'>[];
  /** What has been mended. */
  readonly repaired: readonly Pick<Finding, 'kind' | 'message'>[];
}

export interface VerifyOptions {
  readonly repair?: boolean;
  readonly clock?: Clock;
}

/** Enough for a million lost questions; a round that mends nothing is the last anyway. */
const MAX_ROUNDS = 100;

/**
 * Looks at the queue of both sides, and mends it with `repair`: a lane leased by a living owner is
 * left alone, and of the foreign tables only the read marks of finished questions are written.
 * @throws BusError
 */
export async function verifyBus(
  bus: SqliteBus,
  { repair = false, clock = systemClock }: VerifyOptions = {},
): Promise<Verification> {
  const repaired = new Map<string, Pick<Finding, 'kind' | 'message'>>();
  let findings = findAll(bus, clock);
  for (let round = 0; repair && findings.length > 0 && round < MAX_ROUNDS; round += 1) {
    const mended = await mend(bus, findings);
    for (const { kind, message } of mended) repaired.set(message, { kind, message });
    findings = findAll(bus, clock);
    if (mended.length === 0) break;
  }
  for (const { message } of findings) repaired.delete(message);
  return {
    findings: findings.map(({ kind, message }) => ({ kind, message })),
    repaired: [...repaired.values()],
  };
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
          ...findInMarks(db, unheld),
          ...findInIgnorable(db),
          ...findInLanes(db, unheld, look),
          ...findInDepends(db),
        ];
      })
      .deferred(),
  );
}

/** @returns what was mended; the rest has changed since, or has to wait */
async function mend(bus: SqliteBus, findings: readonly Finding[]): Promise<Finding[]> {
  const mended: Finding[] = [];
  for (const finding of findings) {
    if (finding.steps.length > 0 && (await runAll(bus, finding.steps))) mended.push(finding);
  }
  return mended;
}

async function runAll(bus: SqliteBus, steps: readonly MendStep[]): Promise<boolean> {
  for (const step of steps) {
    if (!(await bus.write((db, nowUs) => step(db, nowUs)))) return false;
  }
  return true;
}

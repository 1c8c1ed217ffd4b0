/**
 * The reaper: frees questions whose lease ran out or whose owner is gone, and lanes that waited for
 * something which has come. Looking needs no lock; each lane is then freed by a job of its own, so
 * that one that cannot be freed stops no other.
 */
import type { Clock } from '../../clock.js';
import { failpoint } from '../../failpoints/index.js';
import type { Reaped } from '../bus.js';
import type { OwnLeases } from '../own-leases.js';
import { isGone, type Owner } from '../owner.js';
import { naiveUtc } from '../stamp.js';
import type { LeaseRow } from './rows.js';
import type { Statements } from './statements.js';

/** Lanes taken up again by one pass, of each kind. */
const REVIVE_PAGE = 1000;

interface Overdue extends LeaseRow {
  readonly gone: boolean;
}

export interface ReapPlan {
  readonly overdue: readonly Overdue[];
  /** Lanes of conversations that live again, and lanes with nothing left to wait for. */
  readonly revivable: readonly number[];
}

export interface ReaperOptions {
  readonly session: string;
  readonly owner: Owner;
  readonly clock: Clock;
  readonly mine: OwnLeases;
}

export class Reaper {
  readonly #options: ReaperOptions;

  constructor(options: ReaperOptions) {
    this.#options = options;
  }

  plan(sql: Statements): ReapPlan {
    const { session, owner: here, clock, mine } = this.#options;
    const nowUs = clock.wallUs();
    const gone = new Map<string, boolean>();
    const isOwnerGone = (owner: string) => {
      const known = gone.get(owner) ?? isGone(owner, here);
      gone.set(owner, known);
      return known;
    };
    const window = { session, now: naiveUtc(nowUs), limit: REVIVE_PAGE };
    const leases = sql.leases.all({ session });
    mine.keepOnly(new Set(leases.map(({ token }) => token)));
    return {
      overdue: leases
        .map((lease) => ({ ...lease, gone: isOwnerGone(lease.owner) }))
        .filter((lease) => lease.gone || (mine.isOver(lease.token) ?? lease.untilUs <= nowUs)),
      revivable: [...sql.revivable.all(window), ...sql.wakeable.all(window)].map(
        ({ lane }) => lane,
      ),
    };
  }

  /**
   * Frees what was planned, and notes the attempts that ended by it.
   * @param submit runs a job in a transaction, alone or with others
   */
  async run(
    { overdue, revivable }: ReapPlan,
    submit: <T>(run: (sql: Statements) => T) => Promise<T>,
  ): Promise<Reaped> {
    const reviving = revivable.map((lane) => submit((sql) => sql.revive.run(lane)));
    const freeing = overdue.map(async (lease) => {
      const freed = await submit((sql) => this.#free(sql, lease));
      if (freed) this.#options.mine.forget(lease.token);
      return freed;
    });
    const revived = await Promise.allSettled(reviving);
    const freed = await Promise.allSettled(freeing);
    const count = (gone: boolean) =>
      freed.filter((each, at) => isTrue(each) && overdue[at]?.gone === gone).length;
    return {
      expired: count(false),
      gone: count(true),
      failed: [...revived, ...freed].filter(({ status }) => status === 'rejected').length,
    };
  }

  /** Fenced like any other write: a lease settled or renewed meanwhile is left alone. */
  #free(sql: Statements, lease: Overdue): boolean {
    if (sql.reap.run(lease.lane, lease.token, lease.untilUs).changes !== 1) return false;
    failpoint('reap.update');
    const finishedAtUs = Math.max(this.#options.clock.wallUs(), lease.claimedAtUs);
    sql.insertAttempt([
      [
        lease.id,
        lease.attempt,
        this.#options.session,
        lease.conversation,
        lease.gone ? 'owner_gone' : 'lease_expired',
        null,
        null,
        lease.seenAtUs ?? lease.claimedAtUs,
        lease.claimedAtUs,
        finishedAtUs,
        ...([null, null, null, null, null] as const),
      ],
    ]);
    return true;
  }
}

function isTrue(result: PromiseSettledResult<boolean>): boolean {
  return result.status === 'fulfilled' && result.value;
}

/** Questions that end without an answer, for tests of what can be done about them. */
import { naiveUtc, type SqliteBus } from '../../src/bus/index.js';
import { answer, TempBus, TestClock } from '../support/temp-bus.js';

const CLAIM = { limit: 64, leaseMs: 30_000 };

export interface Ending {
  readonly code?: string;
  readonly dead?: boolean;
  readonly engine?: string;
}

/** Claims what there is, and gives each question this error answer; returns their ids. */
export async function end(bus: SqliteBus, ending: Ending = {}): Promise<number[]> {
  const { code = 'engine_error', dead = true, engine } = ending;
  const ended: number[] = [];
  for (;;) {
    const leases = await bus.claim(CLAIM);
    if (leases.length === 0) return ended;
    for (const lease of leases) {
      const error = { code, message: 'it broke', attempts: lease.attempt, dead };
      await bus.complete(lease, answer('it broke', { error, ...(engine && { turn: { engine } }) }));
      ended.push(lease.questionId);
    }
  }
}

/** Claims what there is, and answers it. */
export async function answerAll(bus: SqliteBus): Promise<number[]> {
  const answered: number[] = [];
  for (;;) {
    await bus.reap();
    const leases = await bus.claim(CLAIM);
    if (leases.length === 0) return answered;
    for (const lease of leases) {
      await bus.complete(lease, answer());
      answered.push(lease.questionId);
    }
  }
}

export function letters() {
  const clock = new TestClock();
  const temp = new TempBus(clock);
  const bus = temp.open({ clock });
  const conversation = temp.addConversation();
  return {
    clock,
    temp,
    bus,
    conversation,
    expire: (id: string) =>
      void temp.peer
        .prepare('UPDATE conversations SET expires_at = ? WHERE id = ?')
        .run(naiveUtc(clock.wallUs() - 1), id),
    audits: () =>
      temp.peer
        .prepare(
          `SELECT conversation_id, session_id, details FROM audit_log WHERE action = 'redrive'`,
        )
        .all() as { conversation_id: string; session_id: string; details: string }[],
  };
}

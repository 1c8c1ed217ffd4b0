import { describe, expect, test } from 'vitest';
import { endUnreadChanges, openSqliteBus, type SqliteBus } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { answer, TempBus } from '../support/temp-bus.js';
import { claimOne, next, Recorder } from './recorder.js';

const TWO_HOURS_US = 7_200_000_000;

async function answerOne(worker: SqliteBus): Promise<number> {
  const lease = await claimOne(worker);
  await worker.complete(lease, answer());
  return lease.questionId;
}

/** A bus with questions in conversations of their own, a worker, and a monitor that has seen them. */
async function watched(count: number) {
  const temp = new TempBus();
  const ids = temp.askMany(
    count,
    Array.from({ length: count }, () => temp.addConversation()),
  );
  const recorder = new Recorder({ db: temp.file });
  await recorder.added(...ids);
  return { temp, ids, recorder, worker: temp.open() };
}

function ourLog(temp: TempBus): string[] {
  return temp.peer
    .prepare(`SELECT name FROM sqlite_master WHERE name LIKE 'warmline_changes%' ORDER BY name`)
    .pluck()
    .all() as string[];
}

describe('a monitor that goes on after the last change an earlier one told', () => {
  test('tells what came after it, also while none ran, and nothing again', async () => {
    const { temp, ids, recorder, worker } = await watched(3);
    const [first = 0, second = 0, third = 0] = ids;
    await answerOne(worker);
    await recorder.ended(first);
    const since = recorder.monitor.seq;
    await recorder.monitor.close();
    await answerOne(worker);
    const again = new Recorder({ db: temp.file, since });
    for (const id of ids) again.monitor.add(id);
    await again.ended(second);
    await answerOne(worker);
    await again.ended(third);
    expect(again.statuses(first)).toEqual([]);
    for (const id of [second, third]) {
      expect(again.statuses(id)).toEqual(['processing:1', 'complete:1']);
      expect(again.of(id)[0]?.told.from).toBe(id === second ? undefined : 'pending');
    }
    expect(again.monitor.active).toEqual([]);
    expect(again.told.some(({ event }) => event === 'gap')).toBe(false);
  });

  test('knows where the others stand', async () => {
    const { temp, ids, recorder, worker } = await watched(2);
    const [one = 0, other = 0] = ids;
    await claimOne(worker);
    await recorder.until(() => recorder.statuses(one).length === 2);
    await recorder.monitor.close();
    const again = new Recorder({ db: temp.file, since: recorder.monitor.seq });
    for (const id of ids) again.monitor.add(id);
    await again.until(() => again.monitor.get(other) !== undefined);
    expect(again.monitor.get(one)?.status).toBe('processing');
    expect(again.monitor.get(other)?.status).toBe('pending');
    expect(again.told).toEqual([]);
  });

  test('tells of a conversation that expired while none ran', async () => {
    const { temp, ids, recorder, worker } = await watched(1);
    const [id = 0] = ids;
    await recorder.monitor.close();
    temp.peer.exec(`UPDATE conversations SET expires_at = '2001-01-01'`);
    expect(await worker.claim({ limit: 1, leaseMs: 1000 })).toEqual([]);
    const again = new Recorder({ db: temp.file, since: recorder.monitor.seq });
    again.monitor.add(id);
    await again.ended(id);
    expect(again.of(id).map(({ event }) => event)).toEqual(['statusChange', 'expire']);
  });

  test('can go on from any change of it, not only from the newest', async () => {
    const { temp, ids, recorder, worker } = await watched(1);
    const [id = 0] = ids;
    await worker.release(await claimOne(worker));
    await answerOne(worker);
    await recorder.ended(id);
    const changes = recorder.of(id).filter(({ event }) => event === 'statusChange');
    for (const [at, { told }] of changes.entries()) {
      if (at === changes.length - 1) break;
      const again = new Recorder({ db: temp.file, since: told.seq as number });
      again.monitor.add(id);
      await again.ended(id);
      expect(again.statuses(id)).toEqual(recorder.statuses(id).slice(at + 1));
    }
  });
});

describe('where the log does not reach back, the gap is told and each message looked up:', () => {
  test('a number that no change has', async () => {
    const { temp, ids, recorder, worker } = await watched(2);
    const [first = 0, second = 0] = ids;
    await answerOne(worker);
    await recorder.ended(first);
    const again = new Recorder({ db: temp.file, since: 1 });
    for (const id of ids) again.monitor.add(id);
    await again.ended(first);
    await again.until(() => again.statuses(second).length > 0);
    expect(again.told[0]).toMatchObject({ event: 'gap', told: { after: 1 } });
    expect(again.statuses(first)).toEqual(['complete:1']);
    expect(again.statuses(second)).toEqual(['pending:0']);
  });

  test('changes that have been cut off', async () => {
    const { temp, ids, recorder, worker } = await watched(2);
    const [first = 0, second = 0] = ids;
    const since = recorder.monitor.seq ?? 0;
    await recorder.monitor.close();
    await answerOne(worker);
    // As if a million changes had come since then.
    const far = (Math.ceil(since / 1024) + 2000) * 1024;
    temp.peer.prepare(`INSERT INTO warmline_changes VALUES (?, 0, 'pending', 0, 0)`).run(far);
    expect(temp.peer.prepare('SELECT count(*) FROM warmline_changes').pluck().get()).toBe(1);
    const again = new Recorder({ db: temp.file, since });
    for (const id of ids) again.monitor.add(id);
    await again.ended(first);
    await again.until(() => again.statuses(second).length > 0);
    expect(again.told[0]).toMatchObject({ event: 'gap', told: { after: since } });
    await answerOne(worker);
    await again.ended(second);
    expect(again.statuses(second)).toEqual(['pending:0', 'processing:1', 'complete:1']);
  });

  test('a log that ended under a monitor that stood still', async () => {
    const { ids, recorder, worker } = await watched(2);
    const [first = 0, second = 0] = ids;
    const { monitor } = recorder;
    const gap = next(monitor, 'gap');
    expect(await endUnreadChanges(worker, systemClock.wallUs() + TWO_HOURS_US)).toBe(true);
    await gap;
    await answerOne(worker);
    await recorder.ended(first);
    await answerOne(worker);
    await recorder.ended(second);
    for (const id of ids) {
      const statuses = recorder.statuses(id);
      expect([statuses[0], statuses.at(-1)]).toEqual(['pending:0', 'complete:1']);
      expect(new Set(statuses).size).toBe(statuses.length);
    }
  });

  test('a bus file that was replaced', async () => {
    const { temp, ids, recorder, worker } = await watched(1);
    const [id = 0] = ids;
    const backup = `${temp.file}.backup`;
    await temp.peer.backup(backup);
    await worker.release(await claimOne(worker));
    await recorder.until(() => recorder.statuses(id).length === 3);
    const since = recorder.monitor.seq;
    await recorder.monitor.close();
    const restored = openSqliteBus({ file: backup });
    await answerOne(restored);
    await restored.close();
    const again = new Recorder({ db: backup, since: (since ?? 0) + 1 });
    again.monitor.add(id);
    await again.ended(id);
    expect(again.told[0]?.event).toBe('gap');
    expect(again.statuses(id)).toEqual(['complete:1']);
  });
});

describe('the log of changes', () => {
  test('is not there until somebody reads it, and not after an hour without readers', async () => {
    const temp = new TempBus();
    const worker = temp.open();
    temp.ask(temp.addConversation(), 'why?');
    const schema = () => temp.peer.prepare('SELECT name, sql FROM sqlite_master').all();
    const before = schema();
    await worker.release(await claimOne(worker));
    expect(ourLog(temp)).toEqual([]);
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(1);
    expect(ourLog(temp).length).toBe(4);
    await recorder.monitor.close();
    const nowUs = systemClock.wallUs();
    expect(await endUnreadChanges(worker, nowUs)).toBe(false);
    expect(ourLog(temp).length).toBe(4);
    expect(await endUnreadChanges(worker, nowUs + TWO_HOURS_US)).toBe(true);
    expect(await endUnreadChanges(worker, nowUs + TWO_HOURS_US)).toBe(false);
    expect(schema()).toEqual(before);
    await answerOne(worker);
  });

  test('leaves the tables of the other programs without a trigger', async () => {
    const { temp } = await watched(1);
    const tables = temp.peer
      .prepare(`SELECT DISTINCT tbl_name FROM sqlite_master WHERE type = 'trigger' ORDER BY 1`)
      .pluck()
      .all() as string[];
    expect(tables.length).toBeGreaterThan(2);
    expect(tables.filter((name) => !name.startsWith('warmline_'))).toEqual([]);
  });

  test('is made anew by a version that writes it otherwise', async () => {
    const { temp, ids, recorder, worker } = await watched(1);
    await recorder.monitor.close();
    temp.peer.exec(`
      DROP TRIGGER warmline_changes_of_done;
      UPDATE warmline_meta SET value = 'another' WHERE key = 'changes'`);
    const again = new Recorder({ db: temp.file, since: recorder.monitor.seq });
    again.monitor.add(ids[0] ?? 0);
    await next(again.monitor, 'gap');
    await answerOne(worker);
    await again.ended(ids[0] ?? 0);
    expect(again.statuses(ids[0] ?? 0).at(-1)).toBe('complete:1');
  });
});

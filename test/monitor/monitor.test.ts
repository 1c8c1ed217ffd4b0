import { describe, expect, test } from 'vitest';
import { BusError, MessageMonitor } from '../../clients/monitor/index.js';
import { cancelQuestion, removeQuestion } from '../../src/bus/index.js';
import { answer, TempBus } from '../support/temp-bus.js';
import { claimOne, failure, next, Recorder } from './recorder.js';

function open(): { temp: TempBus; conversation: string } {
  const temp = new TempBus();
  return { temp, conversation: temp.addConversation() };
}

describe('of a message that is watched', () => {
  test('every change is told once and in order, with its answer at the end', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const id = temp.ask(conversation, 'why?');
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(id);
    const first = await claimOne(worker);
    await worker.retry(first, { delayMs: 0, code: 'timeout', message: 'too slow' });
    await worker.complete(await claimOne(worker), answer('because'));
    await recorder.ended(id);
    expect(recorder.statuses(id)).toEqual([
      'pending:0',
      'processing:1',
      'pending:1',
      'processing:2',
      'complete:2',
    ]);
    expect(recorder.of(id).map(({ event }) => event)).toEqual([
      ...Array(5).fill('statusChange'),
      'contentUpdate',
      'complete',
    ]);
    const changes = recorder.of(id).filter(({ event }) => event === 'statusChange');
    expect(changes.map(({ told }) => told.from)).toEqual([
      undefined,
      'pending',
      'processing',
      'pending',
      'processing',
    ]);
    const numbers = changes.map(({ told }) => told.seq as number);
    expect(numbers.slice(1)).toEqual([1, 2, 3, 4].map((step) => (numbers[0] ?? 0) + step));
    expect(recorder.of(id).at(-1)?.told).toMatchObject({
      status: 'complete',
      attempt: 2,
      content: { answer: 'because', sources: ['GUIDE.md:1-3'], error: undefined },
    });
  });

  test('steps that follow each other at once are told each', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const id = temp.ask(conversation, 'why?');
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(id);
    // Nothing of ours runs in between: the monitor looks only after all of it.
    for (let round = 0; round < 50; round += 1) await worker.release(await claimOne(worker));
    await worker.complete(await claimOne(worker), answer());
    await recorder.ended(id);
    expect(recorder.statuses(id)).toEqual([
      'pending:0',
      ...Array(50).fill(['processing:1', 'pending:0']).flat(),
      'processing:1',
      'complete:1',
    ]);
  });

  test('the questions of a conversation are told one after the other', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const ids = temp.askMany(3, [conversation]);
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(...ids);
    for (let count = 0; count < 3; count += 1) {
      // An answer and the next claim share a transaction when they come together.
      const lease = await claimOne(worker);
      await worker.complete(lease, answer());
    }
    for (const id of ids) {
      await recorder.ended(id);
      expect(recorder.statuses(id)).toEqual(['pending:0', 'processing:1', 'complete:1']);
    }
    const told = recorder.told.filter(({ told }) => told.status === 'processing');
    expect(told.map(({ messageId }) => messageId)).toEqual(ids);
  });

  test('a claim in the transaction of the answer before it is told after that answer', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const [one = 0, other = 0] = temp.askMany(2, [conversation]);
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(one, other);
    const lease = await claimOne(worker);
    const [, next] = await Promise.all([worker.complete(lease, answer()), claimOne(worker)]);
    await worker.complete(next, answer());
    await recorder.ended(other);
    const changes = recorder.told.filter(({ event }) => event === 'statusChange').slice(2);
    expect(changes.map(({ messageId, told }) => [messageId, told.status])).toEqual([
      [one, 'processing'],
      [one, 'complete'],
      [other, 'processing'],
      [other, 'complete'],
    ]);
  });

  test('two monitors tell the same', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const id = temp.ask(conversation, 'why?');
    const recorders = [new Recorder({ db: temp.file }), new Recorder({ db: temp.file })];
    for (const recorder of recorders) await recorder.added(id);
    await worker.complete(await claimOne(worker), answer());
    for (const recorder of recorders) await recorder.ended(id);
    const [one, other] = recorders.map((recorder) => recorder.told);
    expect(one).toEqual(other);
    expect(one?.length).toBe(5);
  });

  test('a lease that ran out shows as pending', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const id = temp.ask(conversation, 'why?');
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(id);
    await worker.claim({ limit: 1, leaseMs: 0 });
    await worker.reap();
    await worker.complete(await claimOne(worker), answer());
    await recorder.ended(id);
    expect(recorder.statuses(id)).toEqual([
      'pending:0',
      'processing:1',
      'pending:1',
      'processing:2',
      'complete:2',
    ]);
  });
});

describe('a message ends with', () => {
  test.each([
    ['failed', 'bad_request', false],
    ['dead', 'timeout', true],
  ])('fail and its error answer: %s', async (status, code, dead) => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const id = temp.ask(conversation, 'why?');
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(id);
    await worker.complete(await claimOne(worker), failure(code, dead));
    await recorder.ended(id);
    expect(recorder.of(id).map(({ event }) => event)).toEqual([
      ...Array(3).fill('statusChange'),
      'contentUpdate',
      'fail',
    ]);
    expect(recorder.ends(id)[0]?.told).toMatchObject({
      status,
      code,
      message: 'it went wrong',
      content: { answer: 'Error: it went wrong', error: { code } },
    });
  });

  test('fail when it is cancelled, at work or not, and when it is taken off the queue', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const [atWork = 0, waiting = 0, removed = 0] = temp.askMany(3, [conversation]);
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(atWork, waiting, removed);
    await claimOne(worker);
    const somebody = temp.open();
    await removeQuestion(somebody, removed);
    for (const id of [waiting, atWork]) await cancelQuestion(somebody, id);
    for (const id of [atWork, waiting, removed]) await recorder.ended(id);
    expect(recorder.statuses(atWork)).toEqual(['pending:0', 'processing:1', 'failed:1']);
    expect(recorder.statuses(waiting)).toEqual(['pending:0', 'failed:0']);
    const cancelled = { code: 'cancelled', message: 'the question was cancelled' };
    for (const id of [atWork, waiting]) {
      expect(recorder.ends(id)[0]).toMatchObject({
        event: 'fail',
        told: { status: 'failed', ...cancelled, content: { error: cancelled } },
      });
    }
    expect(recorder.ends(removed)[0]).toMatchObject({ event: 'fail', told: { status: 'ignored' } });
  });

  test('fail without an answer when it is no question, was deleted, or never was', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const note = temp.insert({ conversationId: conversation, message: '{"type":"heartbeat"}' });
    const question = temp.ask(conversation, 'why?');
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(note, question);
    recorder.monitor.add(4711);
    const lease = await claimOne(worker);
    temp.peer.prepare('DELETE FROM messages WHERE id = ?').run(question);
    expect(await worker.complete(lease, answer())).toBe('orphaned');
    for (const id of [note, question, 4711]) await recorder.ended(id);
    const ends = [note, question, 4711].map((id) => recorder.ends(id)[0]);
    expect(ends.map((end) => [end?.event, end?.told.status, end?.told.code])).toEqual([
      ['fail', 'ignored', 'ignored'],
      ['fail', 'orphaned', 'orphaned'],
      ['fail', 'missing', 'missing'],
    ]);
    expect(recorder.told.filter(({ event }) => event === 'contentUpdate')).toEqual([]);
    expect(recorder.monitor.active).toEqual([]);
  });

  test('expire when its conversation expires, also behind the question that is noticed', async () => {
    const temp = new TempBus();
    const conversation = temp.addConversation();
    const living = temp.addConversation();
    const worker = temp.open();
    const ids = temp.askMany(3, [conversation]);
    const other = temp.ask(living, 'why?');
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(...ids, other);
    temp.peer
      .prepare(`UPDATE conversations SET expires_at = '2001-01-01' WHERE id = ?`)
      .run(conversation);
    expect((await claimOne(worker)).questionId).toBe(other);
    for (const id of ids) await recorder.ended(id);
    expect(ids.map((id) => recorder.ends(id)[0]?.told)).toMatchObject(
      ids.map((messageId) => ({ messageId, reason: 'conversation', status: 'expired' })),
    );
    expect(recorder.monitor.active).toEqual([other]);
    const late = new Recorder({ db: temp.file });
    late.monitor.add(ids[2] ?? 0);
    await late.ended(ids[2] ?? 0);
  });

  test('its answer, when that was on the bus before it was added', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const id = temp.ask(conversation, 'why?');
    await worker.complete(await claimOne(worker), answer('because'));
    const recorder = new Recorder({ db: temp.file });
    recorder.monitor.add(id);
    await recorder.ended(id);
    expect(recorder.of(id).map(({ event }) => event)).toEqual([
      'statusChange',
      'contentUpdate',
      'complete',
    ]);
    expect(recorder.of(id)[0]?.told).toMatchObject({ from: undefined, status: 'complete' });
  });

  test('complete without content, when the answer row has been deleted', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const id = temp.ask(conversation, 'why?');
    await worker.complete(await claimOne(worker), answer());
    temp.peer.prepare(`DELETE FROM messages WHERE from_session = 'b'`).run();
    const recorder = new Recorder({ db: temp.file });
    recorder.monitor.add(id);
    await recorder.ended(id);
    expect(recorder.of(id).map(({ event }) => event)).toEqual(['statusChange', 'complete']);
    expect(recorder.ends(id)[0]?.told.content).toBeUndefined();
  });
});

describe('a time-out', () => {
  test('ends the watching of its message and of no other', async () => {
    const { temp, conversation } = open();
    const [short = 0, long = 0] = temp.askMany(2, [conversation]);
    const recorder = new Recorder({ db: temp.file });
    recorder.monitor.add(long, { timeoutMs: 3_600_000 });
    recorder.monitor.add(short, { timeoutMs: 1 });
    await recorder.ended(short);
    expect(recorder.ends(short)[0]).toMatchObject({ event: 'expire', told: { reason: 'timeout' } });
    expect(recorder.monitor.active).toEqual([long]);
  });

  test('comes although another program keeps the bus locked', async () => {
    const { temp, conversation } = open();
    const id = temp.ask(conversation, 'why?');
    temp.peer.exec('BEGIN IMMEDIATE');
    const recorder = new Recorder({ db: temp.file });
    recorder.monitor.add(id, { timeoutMs: 1 });
    await recorder.ended(id);
    expect(recorder.ends(id)[0]?.told).toMatchObject({ reason: 'timeout', status: undefined });
    temp.peer.exec('ROLLBACK');
  });

  test('does not undo an answer that was there in time', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const ids = temp.askMany(20, [conversation]);
    for (const _ of ids) await worker.complete(await claimOne(worker), answer());
    const recorder = new Recorder({ db: temp.file });
    const before = temp.ask(conversation, 'the log is kept from here on');
    await recorder.added(before);
    for (const id of ids) recorder.monitor.add(id, { timeoutMs: 1 });
    for (const id of ids) await recorder.ended(id);
    expect(ids.map((id) => recorder.ends(id)[0]?.event)).toEqual(ids.map(() => 'complete'));
  });
});

describe('add, remove, active and get', () => {
  test('say what is watched', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const [one = 0, other = 0] = temp.askMany(2, [conversation, temp.addConversation()]);
    const recorder = new Recorder({ db: temp.file });
    const { monitor } = recorder;
    monitor.add(one);
    expect(monitor.active).toEqual([one]);
    expect(monitor.get(one)).toBeUndefined();
    await recorder.added(one, other);
    expect(monitor.get(one)).toMatchObject({ messageId: one, status: 'pending', attempt: 0 });
    expect(monitor.remove(one)).toBe(true);
    expect(monitor.remove(one)).toBe(false);
    const told = recorder.of(one).length;
    const leases = await worker.claim({ limit: 2, leaseMs: 60_000 });
    await Promise.all(leases.map((lease) => worker.complete(lease, answer())));
    await recorder.ended(other);
    expect(recorder.of(one).length).toBe(told);
    expect(monitor.active).toEqual([]);
    expect(monitor.get(other)).toBeUndefined();
    monitor.add(one);
    await recorder.ended(one);
  });

  test('a message removed by a listener is told no further', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const id = temp.ask(conversation, 'why?');
    await worker.complete(await claimOne(worker), answer());
    const recorder = new Recorder({ db: temp.file });
    recorder.monitor.once('statusChange', () => recorder.monitor.remove(id));
    recorder.monitor.add(id);
    const other = temp.ask(conversation, 'and this?');
    await recorder.added(other);
    expect(recorder.of(id).map(({ event }) => event)).toEqual(['statusChange']);
  });

  test.each([
    ['an id of 0', 0, undefined],
    ['an id with a fraction', 1.5, undefined],
    ['an id that is not a number', '1' as unknown as number, undefined],
    ['no time at all', 1, 0],
    ['a time longer than a timer can wait', 1, 2_147_483_648],
    ['a time that is not a number', 1, Number.NaN],
  ])('refuse %s', (_, id, timeoutMs) => {
    const { temp } = open();
    const recorder = new Recorder({ db: temp.file });
    expect(() => recorder.monitor.add(id, { timeoutMs })).toThrow(RangeError);
    expect(recorder.monitor.active).toEqual([]);
  });

  test('a monitor of no bus says what is wrong, and a closed one that it is closed', async () => {
    const { temp } = open();
    expect(() => new MessageMonitor({ db: `${temp.file}.no` })).toThrow(
      expect.objectContaining({ name: 'BusError', code: 'bus_missing' }),
    );
    const recorder = new Recorder({ db: temp.file });
    await recorder.monitor.close();
    expect(() => recorder.monitor.add(1)).toThrow(BusError);
  });

  test('a bus that cannot be read is told once, and the rest when it can', async () => {
    const { temp, conversation } = open();
    const worker = temp.open();
    const id = temp.ask(conversation, 'why?');
    const recorder = new Recorder({ db: temp.file });
    await recorder.added(temp.ask(conversation, 'the log is kept from here on'));
    await worker.complete(await claimOne(worker), answer('because'));
    temp.peer.exec('ALTER TABLE messages RENAME TO gone');
    const troubles: BusError[] = [];
    recorder.monitor.on('trouble', (error) => troubles.push(error));
    recorder.monitor.add(id);
    await recorder.until(() => troubles.length > 0);
    temp.peer.exec('ALTER TABLE gone RENAME TO messages');
    await recorder.ended(id);
    expect(troubles.map(({ code }) => code)).toEqual(['bus_io']);
    expect(recorder.ends(id)[0]?.told.content).toMatchObject({ answer: 'because' });
  });

  test('nothing is told after close', async () => {
    const { temp, conversation } = open();
    const id = temp.ask(conversation, 'why?');
    const recorder = new Recorder({ db: temp.file });
    const told = next(recorder.monitor, 'statusChange');
    recorder.monitor.add(id, { timeoutMs: 3_600_000 });
    await told;
    await recorder.monitor.close();
    const worker = temp.open();
    await worker.complete(await claimOne(worker), answer());
    const later = new Recorder({ db: temp.file });
    later.monitor.add(id);
    await later.ended(id);
    expect(recorder.told.length).toBe(1);
  });
});

/** Where the door puts its tasks on the bus, against a real bus and whoever drains it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cancelQuestion,
  type DoorTask,
  fillDoorLanes,
  keepDoorOpen,
  type Lease,
  moveOutDoorTasks,
  naiveUtc,
  noteDoorFinished,
  prepareDoor,
  putDoorTask,
  readDoorTask,
  type SqliteBus,
  unnotedDoorTasks,
  verifyBus,
} from '../../src/bus/index.js';
import { answer, TempBus, TestClock } from '../support/temp-bus.js';

let number = 0;

async function put(
  bus: SqliteBus,
  more: { priority?: number; sticky?: string; atOnce?: number } = {},
) {
  const { priority = 0, sticky, atOnce = 3 } = more;
  number += 1;
  const taskId = `task_${number}`;
  const message = JSON.stringify({ type: 'query', question: taskId, priority });
  const made = await putDoorTask(
    bus,
    {
      ...{ taskId, message, metadata: '{"action_type":"question"}', priority, sticky },
      ...{ idempotencyKey: undefined, digest: 'x', options: {} },
    },
    { atOnce, unfinished: 1000 },
  );
  expect(made).toEqual({ put: 'made', taskId });
  return readDoorTask(bus, taskId) as DoorTask;
}

async function world(clock?: TestClock) {
  const temp = new TempBus();
  const bus = temp.open(clock && { clock });
  await prepareDoor(bus);
  return { temp, bus, drain: temp.open(clock && { clock }) };
}

const claim = (bus: SqliteBus) => bus.claim({ limit: 100, leaseMs: 60_000 });
const sound = async (bus: SqliteBus) => (await verifyBus(bus, { repair: false })).findings;

test('no more are leased at once than there are lanes, however many wait', async () => {
  const { bus, drain } = await world();
  for (let n = 0; n < 10; n += 1) await put(bus);
  const leases = await claim(drain);
  expect(leases).toHaveLength(3);
  expect(new Set(leases.map(({ conversationId }) => conversationId)).size).toBe(3);
  await drain.complete(leases[1] as Lease, answer());
  expect(await fillDoorLanes(bus, 3)).toBe(1);
  expect(await claim(drain)).toHaveLength(1);
});

test('the most urgent of those that wait goes to a free lane, then the oldest', async () => {
  const { bus, drain } = await world();
  for (let n = 0; n < 3; n += 1) await put(bus);
  const held = await claim(drain);
  const usual = await put(bus);
  const later = await put(bus);
  const urgent = await put(bus, { priority: 9 });
  const first = Math.min(...held.map(({ questionId }) => questionId));
  const at = held.findIndex(({ questionId }) => questionId !== first);
  for (const wanted of [urgent, usual, later]) {
    await drain.complete(held[at] as Lease, answer());
    expect(await fillDoorLanes(bus, 3)).toBe(1);
    [held[at]] = (await claim(drain)) as [Lease];
    expect(held[at]?.questionId).toBe(wanted.questionId);
  }
});

test('without the door what waits is answered all the same, one after the other', async () => {
  const { bus, drain } = await world();
  for (let n = 0; n < 8; n += 1) await put(bus);
  let answered = 0;
  for (;;) {
    const leases = await claim(drain);
    if (leases.length === 0) break;
    for (const lease of leases) await drain.complete(lease, answer());
    answered += leases.length;
  }
  expect(answered).toBe(8);
});

test('a sticky session has a conversation of its own, in order', async () => {
  const { bus, drain } = await world();
  const [one, two, other] = [
    await put(bus, { sticky: 'ann' }),
    await put(bus, { sticky: 'ann' }),
    await put(bus, { sticky: 'bob' }),
  ];
  expect(two.conversationId).toBe(one.conversationId);
  expect(other.conversationId).not.toBe(one.conversationId);
  expect(await claim(drain)).toHaveLength(2);
  expect(await fillDoorLanes(bus, 3)).toBe(0);
});

test('in whatever order tasks come, are taken in, moved, cancelled and answered, each ends once', async () => {
  type Step = 'put' | 'urgent' | 'claim' | 'answer' | 'fill' | 'cancel' | 'note';
  const step = fc.constantFrom<Step>('put', 'urgent', 'claim', 'answer', 'fill', 'cancel', 'note');
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.nat(), async (steps, seed) => {
      const { temp, bus, drain } = await world();
      const held = new Map<number, Lease>();
      let random = seed;
      const pick = <T>(from: readonly T[]): T | undefined => {
        random = (random * 1103515245 + 12345) % 2147483648;
        return from[random % Math.max(1, from.length)];
      };
      const ids: number[] = [];
      const take = async () => {
        for (const lease of await claim(drain)) held.set(lease.questionId, lease);
      };
      const settle = async () => {
        const lease = pick([...held.values()]);
        if (lease === undefined) return;
        held.delete(lease.questionId);
        await drain.complete(lease, answer());
      };
      for (const what of steps) {
        if (what === 'put') ids.push((await put(bus)).questionId);
        if (what === 'urgent') ids.push((await put(bus, { priority: 5 })).questionId);
        if (what === 'claim') await take();
        if (what === 'answer') await settle();
        if (what === 'fill') await fillDoorLanes(bus, 3);
        if (what === 'note') {
          await noteDoorFinished(
            bus,
            unnotedDoorTasks(bus).filter((t) => t.state === 'finished'),
          );
        }
        if (what === 'cancel') {
          const id = pick(ids);
          if (id !== undefined) {
            await cancelQuestion(bus, id);
            held.delete(id);
          }
        }
        expect(held.size).toBeLessThanOrEqual(3);
      }
      expect(await sound(bus)).toEqual([]);
      for (;;) {
        while (held.size > 0) await settle();
        await fillDoorLanes(bus, 3);
        await take();
        if (held.size === 0) break;
      }
      for (const id of ids) expect(temp.answersTo(id), String(id)).toHaveLength(1);
      expect(await sound(bus)).toEqual([]);
    }),
    { numRuns: 25 },
  );
});

describe('with time', () => {
  const DAY_MS = 86_400_000;

  test('what ended a day ago is moved out with its answer, and nothing else', async () => {
    const clock = new TestClock();
    const { temp, bus, drain } = await world(clock);
    const foreign = temp.ask(temp.addConversation(naiveUtc(clock.wallUs() + 9e12)), 'not ours');
    const done = await put(bus);
    for (const lease of await claim(drain)) await drain.complete(lease, answer('kept aside'));
    await noteDoorFinished(bus, unnotedDoorTasks(bus));
    clock.advance(DAY_MS / 2);
    const open = await put(bus);
    clock.advance(DAY_MS / 2 + 1000);
    const signal = new AbortController().signal;
    expect(await moveOutDoorTasks(bus, clock.wallUs(), signal)).toBe(1);
    expect(readDoorTask(bus, done.taskId)).toBeUndefined();
    expect(readDoorTask(bus, open.taskId)).toMatchObject({ state: 'pending' });
    const left = temp.rows().map(({ id }) => id);
    expect(left).toEqual(expect.arrayContaining([foreign, open.questionId]));
    expect(left).not.toContain(done.questionId);
    expect(temp.answersTo(done.questionId)).toEqual([]);
    const past = bus.read((db) => db.prepare('SELECT * FROM warmline_door_past').get());
    expect(past).toMatchObject({ task_id: done.taskId, outcome: 'complete' });
    expect(String((past as { answer: string }).answer)).toContain('kept aside');
    expect(await sound(bus)).toEqual([]);
  });

  test('a task that waits longer than its conversation lasts is still answered', async () => {
    const clock = new TestClock();
    const { bus, drain } = await world(clock);
    const { questionId } = await put(bus);
    clock.advance(5 * DAY_MS);
    expect(await claim(drain)).toEqual([]);
    await keepDoorOpen(bus);
    expect(await claim(drain)).toMatchObject([{ questionId }]);
  });

  test('the lanes keep their conversations, and an empty sticky one is forgotten', async () => {
    const clock = new TestClock();
    const { temp, bus, drain } = await world(clock);
    const count = () => temp.peer.prepare('SELECT count(*) FROM conversations').pluck().get();
    const first = await put(bus);
    const sticky = await put(bus, { sticky: 'ann' });
    for (const lease of await claim(drain)) await drain.complete(lease, answer());
    await noteDoorFinished(bus, unnotedDoorTasks(bus));
    clock.advance(1.5 * DAY_MS);
    expect((await put(bus)).conversationId).toBe(first.conversationId);
    clock.advance(1.5 * DAY_MS);
    await moveOutDoorTasks(bus, clock.wallUs(), new AbortController().signal);
    expect(readDoorTask(bus, sticky.taskId)).toBeUndefined();
    expect(count()).toBe(1);
  });
});

test('a task whose question another program deletes has failed', async () => {
  const { temp, bus } = await world();
  const { taskId, questionId } = await put(bus);
  temp.peer.prepare('DELETE FROM messages WHERE id = ?').run(questionId);
  expect(readDoorTask(bus, taskId)).toMatchObject({ state: 'finished', outcome: 'gone' });
});

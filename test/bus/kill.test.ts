import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { answer, TempBus } from '../support/temp-bus.js';
import { node } from './processes.js';

const QUESTIONS = 300;

/** A small generator of our own, so that a failure can be played again from its seed. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

/** Which questions have been answered, in the order of the answers. */
function repliesOf(temp: TempBus, conversation?: string): number[] {
  return temp
    .rows()
    .filter((row) => row.from_session === 'b')
    .filter((row) => conversation === undefined || row.conversation_id === conversation)
    .map((row) => JSON.parse(row.metadata ?? '').in_reply_to as number);
}

test('workers killed at random moments lose no question and answer none twice', async () => {
  const seed = Date.now() % 100_000;
  const random = dice(seed);
  const temp = new TempBus();
  const conversations = Array.from({ length: 12 }, () => temp.addConversation());
  const asked = temp.askMany(QUESTIONS, conversations);
  const bus = temp.open();

  let kills = 0;
  while (bus.hasWork({})) {
    const worker = node('worker.mjs', [temp.file, `worker ${kills}`]);
    // Killed some time after some of its lines: starting, holding leases, or around a commit.
    const lines = Math.floor(random() * 7);
    for (let heard = 0; heard < lines && bus.hasWork({}); heard += 1) await worker.line();
    for (let turns = random() * 300; turns > 0; turns -= 1) await setImmediate();
    worker.child.kill('SIGKILL');
    await worker.ended;
    kills += 1;
    await bus.reap();
    expect(bus.stats().leased).toBe(0);
  }

  expect(
    repliesOf(temp).sort((one, other) => one - other),
    `seed ${seed}`,
  ).toEqual(asked);
  for (const conversation of conversations) {
    const order = repliesOf(temp, conversation);
    expect(order, `seed ${seed}`).toEqual([...order].sort((one, other) => one - other));
  }
  expect(kills).toBeGreaterThan(3);
  expect(temp.rows().filter((row) => row.to_session === 'b' && row.read === 0)).toEqual([]);
  expect(temp.peer.pragma('quick_check', { simple: true })).toBe('ok');
}, 120_000);

test('a worker stopped past its lease and woken again writes nothing, and that is counted', async () => {
  const temp = new TempBus();
  const id = temp.ask(temp.addConversation(), 'why?');
  const sleeper = node('worker.mjs', [temp.file, 'sleeper', 'hold', '1']);
  expect(await sleeper.line()).toBe('ready');
  expect(await sleeper.line()).toBe(`claimed ${id}`);
  process.kill(sleeper.pid, 'SIGSTOP');

  const bus = temp.open();
  // A lease of one millisecond is over by the time another process looks.
  await expect.poll(() => bus.reap()).toEqual({ expired: 1, gone: 0, failed: 0 });
  const [lease] = await bus.claim({ limit: 1, leaseMs: 30_000 });
  expect(lease).toMatchObject({ questionId: id, attempt: 2 });
  if (lease) expect(await bus.complete(lease, answer('from the one awake'))).toBe('kept');

  process.kill(sleeper.pid, 'SIGCONT');
  sleeper.say('answer now');
  expect(await sleeper.line()).toBe('settled lost');
  expect(temp.answersTo(id).map((row) => JSON.parse(row.message).answer)).toEqual([
    'from the one awake',
  ]);
  expect(bus.stats()).toMatchObject({ complete: 1, stale: 1 });
});

test('a worker killed while it holds a lease is replaced at once, whatever the lease says', async () => {
  const temp = new TempBus();
  const id = temp.ask(temp.addConversation(), 'why?');
  const dying = node('worker.mjs', [temp.file, 'dying', 'hold', '86400000']);
  expect(await dying.line()).toBe('ready');
  expect(await dying.line()).toBe(`claimed ${id}`);
  const bus = temp.open();
  expect(await bus.reap()).toEqual({ expired: 0, gone: 0, failed: 0 });
  dying.child.kill('SIGKILL');
  await dying.ended;
  expect(await bus.reap()).toEqual({ expired: 0, gone: 1, failed: 0 });
  expect(await bus.claim({ limit: 1, leaseMs: 30_000 })).toMatchObject([
    { questionId: id, attempt: 2 },
  ]);
});

test('three workers on one bus answer every question once, each in its turn', async () => {
  const temp = new TempBus();
  const conversations = Array.from({ length: 6 }, () => temp.addConversation());
  const asked = temp.askMany(300, conversations);
  const workers = ['one', 'two', 'three'].map((name) => node('worker.mjs', [temp.file, name]));
  for (const worker of workers) expect(await worker.line()).toBe('ready');
  const bus = temp.open();
  await expect.poll(() => bus.stats().complete, { timeout: 20_000 }).toBe(300);
  expect(repliesOf(temp).sort((one, other) => one - other)).toEqual(asked);
  expect(bus.stats()).toMatchObject({ stale: 0, leased: 0, pending: 0 });
}, 60_000);

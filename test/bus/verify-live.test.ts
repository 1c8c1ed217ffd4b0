import { expect, test } from 'vitest';
import { verifyBus } from '../../src/bus/index.js';
import { inReplyTo, QUESTION_METADATA, query, TempBus } from '../support/temp-bus.js';
import { node, type Peer } from './processes.js';

/** Short, so that a lane that its worker can end no more is free again soon. */
const LEASE_MS = '2000';

/** Workers in processes of their own, so that their transactions come at any moment of a look. */
async function startWorkers(temp: TempBus, count: number): Promise<readonly Peer[]> {
  const workers = Array.from({ length: count }, (_, at) =>
    node('worker.mjs', [temp.file, `w${at}`, '', LEASE_MS]),
  );
  for (const worker of workers) {
    await worker.line();
    void listen(worker);
  }
  return workers;
}

/** A worker that nobody listens to stands still once its pipe is full. */
async function listen(worker: Peer): Promise<void> {
  for (;;) {
    if ((await worker.line().catch(() => undefined)) === undefined) return;
  }
}

function ask(temp: TempBus, conversations: readonly string[], count: number): number[] {
  const ids = temp.askMany(count, conversations);
  const [parent] = ids;
  const child = temp.insert({
    conversationId: temp.addConversation(),
    message: query('after it', { depends_on: [parent] }),
    metadata: QUESTION_METADATA,
  });
  temp.insert({ conversationId: conversations[0], message: '{"type":"heartbeat"}' });
  return [...ids, child];
}

/** How many answers each question has. */
function answerCounts(temp: TempBus): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { metadata } of temp.rows()) {
    const id = inReplyTo(metadata);
    if (id !== undefined) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

function once(ids: readonly number[]): Map<number, number> {
  return new Map(ids.map((id) => [id, 1]));
}

const LOOKS = 60;

test('a queue at work is found to be right at every look, and repair leaves it alone', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversations = Array.from({ length: 5 }, () => temp.addConversation());
  const workers = await startWorkers(temp, 2);
  const ids: number[] = [];
  for (let look = 0; look < LOOKS; look += 1) {
    ids.push(...ask(temp, conversations, 10));
    const found = await verifyBus(bus, { repair: look % 2 === 1 });
    expect(found).toEqual({ findings: [], repaired: [] });
  }
  await until(workers, () => answerCounts(temp).size === ids.length);
  expect(answerCounts(temp)).toEqual(once(ids));
  expect(await verifyBus(bus)).toEqual({ findings: [], repaired: [] });
}, 60_000);

test('lanes damaged at work are mended at work, and every question gets one answer', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversations = Array.from({ length: 5 }, () => temp.addConversation());
  const workers = await startWorkers(temp, 2);
  const damages = [
    'UPDATE warmline_lanes SET unfinished = unfinished + 1 WHERE conversation_id = ?',
    'DELETE FROM warmline_lanes WHERE conversation_id = ?',
    `UPDATE warmline_work SET next_id = NULL WHERE question_id IN
       (SELECT head_id FROM warmline_lanes WHERE conversation_id = ?)`,
  ].map((sql) => temp.peer.prepare(sql));
  const ids: number[] = [];
  let mended = 0;
  const repair = async () => {
    mended += (await verifyBus(bus, { repair: true })).repaired.length;
  };
  for (let round = 0; round < LOOKS; round += 1) {
    ids.push(...ask(temp, conversations, 10));
    damages[round % damages.length]?.run(conversations[round % conversations.length]);
    if (round % 4 === 3) await repair();
  }
  await until(workers, async () => {
    await repair();
    return answerCounts(temp).size === ids.length;
  });
  expect(answerCounts(temp)).toEqual(once(ids));
  expect(mended).toBeGreaterThan(0);
}, 60_000);

/** What is waited for comes only while the workers live. */
async function until(workers: readonly Peer[], look: () => boolean | Promise<boolean>) {
  while (!(await look())) {
    expect(workers.map(({ child }) => child.exitCode ?? child.signalCode)).toEqual([null, null]);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

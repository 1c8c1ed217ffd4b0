/**
 * Random kills. `KILLS=1000 npx vitest run test/e2e/kill.test.ts` for a long run;
 * `SEED=N` repeats the schedule of kills.
 */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import {
  freePort,
  look,
  makeBus,
  processesNaming,
  type Running,
  start,
  tempDir,
  warmline,
  withDatabase,
  zombieChildren,
} from './warmline.js';

const KILLS = Number(process.env.KILLS ?? 100);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const QUESTIONS = Math.max(300, KILLS * 3);
const CONVERSATIONS = 12;
/** Longest time between two kills: several turns, and the start of what was killed before. */
const LONGEST_LIFE_MS = 400;

test(`${KILLS} random kills lose no question, repeat no answer and keep the order (seed ${SEED})`, {
  timeout: 60_000 + KILLS * 3_000,
}, async () => {
  const dir = tempDir();
  const file = join(dir, 'bus.db');
  const conversations = await makeBus(file, CONVERSATIONS);
  const port = String(await freePort());
  const random = generator(SEED);
  const server = () => start('serve', '--port', port, '--engine', 'fake', '--context-root', dir);
  const autopoll = () => start('autopoll', '--db', file, '--port', port, '--reap-every-ms', '200');
  const running: [Running, Running] = [await server(), await autopoll()];

  for (let kill = 0; kill < KILLS; kill += 1) {
    const share =
      Math.floor((QUESTIONS * (kill + 1)) / KILLS) - Math.floor((QUESTIONS * kill) / KILLS);
    ask(file, conversations, share, random);
    // The moment of a kill has to be random: every moment is one that can go wrong.
    await pause(random() * LONGEST_LIFE_MS);
    const victim = kill % 2 === 0 ? 1 : 0;
    await running[victim].kill('SIGKILL');
    running[victim] = await (victim === 0 ? server() : autopoll());
  }
  expect(await running[1].kill('SIGTERM')).toBe(0);
  expect(await warmline('autopoll', '--db', file, '--port', port, '--once')).toMatchObject({
    code: 0,
  });
  expect(await running[0].kill('SIGTERM')).toBe(0);

  const { questions, answers } = look(file);
  expect(questions).toHaveLength(QUESTIONS);
  expect(questions.filter((question) => question.read !== 1)).toEqual([]);
  const answered = answers.map((answer) => answer.inReplyTo);
  expect([...answered].sort((one, other) => one - other)).toEqual(questions.map(({ id }) => id));
  for (const conversation of conversations) {
    const order = answers
      .filter((row) => row.conversation_id === conversation)
      .map((row) => row.inReplyTo);
    expect(order).toEqual([...order].sort((one, other) => one - other));
  }
  const inverted = withDatabase(file, (db) =>
    db.prepare('SELECT * FROM warmline_done WHERE completed_at_us < claimed_at_us').all(),
  );
  expect(inverted).toEqual([]);
  expect(processesNaming(dir)).toEqual([]);
  expect(zombieChildren()).toEqual([]);
});

function ask(file: string, conversations: string[], count: number, random: () => number): void {
  withDatabase(file, (db) => {
    const insert = db.prepare(
      `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)
       VALUES (?, 'a', 'b', ?, '{"action_type": "question"}', '2026-01-01T00:00:00.000000', 0)`,
    );
    for (let number = 0; number < count; number += 1) {
      const conversation = conversations[Math.floor(random() * conversations.length)];
      const question = `!fake delay=${Math.floor(random() * 60)}`;
      insert.run(conversation, JSON.stringify({ type: 'query', question }));
    }
  });
}

/** A small seeded generator (mulberry32), so that a run can be repeated. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';
import { look, makeBus, start, tempDir, warmline, withDatabase } from './warmline.js';

/** Short leases; long enough that a healthy worker on a busy machine keeps them. */
const CLOCKS = ['--lease-ms', '1500', '--renew-every-ms', '300', '--reap-every-ms', '100'];

test('a worker stopped past its lease writes nothing when it comes back, and that is counted', async () => {
  const dir = tempDir();
  const file = join(dir, 'bus.db');
  const [conversation = ''] = await makeBus(file, 1);
  const server = await start('serve', '--port', '0', '--engine', 'fake', '--context-root', dir);
  const address = ['--db', file, '--port', String(server.ready.port), ...CLOCKS];
  const first = await start('autopoll', ...address);
  const bus = openSqliteBus({ file });
  const until = (what: () => boolean) => vi.waitUntil(what, { timeout: 20_000, interval: 10 });

  const question = await bus.put({
    conversationId: conversation,
    from: 'a',
    message: '{"type":"query","question":"!fake delay=700"}',
    metadata: null,
  });
  await until(() => bus.stats().leased === 1);
  first.child.kill('SIGSTOP');
  const second = await start('autopoll', ...address);
  await until(() => bus.answerTo(question) !== undefined);
  first.child.kill('SIGCONT');
  await until(() => bus.stats().stale >= 1);

  expect(look(file).answers.map((answer) => answer.inReplyTo)).toEqual([question]);
  expect(await first.kill('SIGTERM')).toBe(0);
  expect(await second.kill('SIGTERM')).toBe(0);
  expect(look(file).answers).toHaveLength(1);
  await bus.close();
});

test('two autopolls on one bus answer every question once', async () => {
  const dir = tempDir();
  const file = join(dir, 'bus.db');
  const conversations = await makeBus(file, 8);
  withDatabase(file, (db) => {
    const insert = db.prepare(
      `INSERT INTO messages (conversation_id, from_session, to_session, message, metadata, timestamp, read)
       VALUES (?, 'a', 'b', 'What is it?', '{"action_type":"question"}', '2026-01-01T00:00:00.000000', 0)`,
    );
    for (let number = 0; number < 400; number += 1) insert.run(conversations[number % 8]);
  });
  const server = await start('serve', '--port', '0', '--engine', 'fake', '--context-root', dir);
  const words = ['autopoll', '--db', file, '--port', String(server.ready.port), '--once'];
  const ended = await Promise.all([warmline(...words), warmline(...words)]);
  expect(ended.map(({ code }) => code)).toEqual([0, 0]);
  const { questions, answers } = look(file);
  expect(answers.map((answer) => answer.inReplyTo).sort((one, other) => one - other)).toEqual(
    questions.map(({ id }) => id),
  );
});

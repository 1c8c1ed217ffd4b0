import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { connect } from '../../clients/socket/index.js';
import { cancelQuestion, openSqliteBus, verifyBus } from '../../src/bus/index.js';
import { look, makeBus, start, tempDir } from './warmline.js';

/** No renewal tells of a lost lease while this test runs. */
const CLOCKS = ['--lease-ms', '7200000', '--renew-every-ms', '3600000'];
const SERVE = ['--port', '0', '--http-port', 'off', '--engine', 'fake'];
const QUESTIONS = 120;

test('what is cancelled while two autopolls drain the bus is stopped or never begun, and answered once', async () => {
  const dir = tempDir();
  const file = join(dir, 'bus.db');
  const conversations = await makeBus(file, 10);
  const server = await start('serve', ...SERVE, '--context-root', dir);
  const { port } = server.ready;
  const bus = openSqliteBus({ file });
  const ask = (number: number, question: string) =>
    bus.put({
      conversationId: conversations[number % conversations.length] ?? '',
      from: 'a',
      message: JSON.stringify({ type: 'query', question }),
      metadata: null,
    });
  // The first in each conversation never ends, so that all behind it wait until it is cancelled.
  const endless = await Promise.all(conversations.map((_, at) => ask(at, '!fake silent')));
  const short = await Promise.all(
    Array.from({ length: QUESTIONS }, (_, at) => ask(at, '!fake delay=5')),
  );
  const autopolls = await Promise.all(
    [1, 2].map(() =>
      start('autopoll', '--db', file, '--port', String(port), '--concurrency', '5', ...CLOCKS),
    ),
  );
  const until = (what: () => boolean | Promise<boolean>) =>
    vi.waitUntil(what, { timeout: 20_000, interval: 5 });
  await until(() => bus.stats().leased === endless.length);

  const unwanted = short.filter((_, at) => at % 3 === 0).toReversed();
  const results: string[] = [];
  for (const id of [...unwanted.slice(0, 20), ...endless, ...unwanted.slice(20)]) {
    results.push(`${id} ${await cancelQuestion(bus, id)}`);
  }
  for (const id of [...endless, ...unwanted.slice(0, 20)]) {
    expect(results).toContain(`${id} cancelled`);
  }
  await until(() => bus.stats().pending + bus.stats().leased === 0);
  const client = await connect({ port });
  await until(async () => {
    const { engines } = (await client.health()) as { engines: { sessions: { busy: number } }[] };
    return engines.every(({ sessions }) => sessions.busy === 0);
  });
  await client.close();

  const { answers } = look(file);
  const replies = answers.map((answer) => answer.inReplyTo).sort((one, other) => one - other);
  expect(replies).toEqual([...endless, ...short]);
  expect((await verifyBus(bus)).findings).toEqual([]);
  expect(bus.stats().failed).toBe(results.filter((line) => line.endsWith(' cancelled')).length);
  for (const autopoll of autopolls) expect(await autopoll.kill('SIGTERM')).toBe(0);
  await bus.close();
}, 60_000);

/** The `warmline` command with the real `claude`, from the bus to the model. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { look, makeBus, withDatabase } from '../e2e/warmline.js';
import { isAlive } from '../support/process.js';
import { CLAUDE, lastUserText, startModel, tempDir, until } from './claude.js';
import { connectTo, install, startWarmline } from './installed.js';

const claudeTest = test.skipIf(CLAUDE === undefined);

beforeAll(() => {
  if (CLAUDE !== undefined) install();
});

claudeTest('thirty questions on the bus are answered by one claude', async () => {
  const model = await startModel({
    script: (request) => ({ answer: { text: `You asked: ${lastUserText(request)}` } }),
  });
  const file = join(tempDir(), 'bus.db');
  const conversations = await makeBus(file, 3);
  withDatabase(file, (db) => {
    const insert = db.prepare(`INSERT INTO messages
      (conversation_id, from_session, to_session, message, metadata, timestamp)
      VALUES (?, 'a', 'b', ?, '{}', '2026-11-20T10:00:00.000000')`);
    for (let number = 0; number < 30; number += 1) {
      const question = `Question ${number}?`;
      insert.run(conversations[number % 3], JSON.stringify({ type: 'query', question }));
    }
  });
  const words = ['up', '--db', file, '--port', '0', '--max-sessions', '1'];
  const warmline = startWarmline(words, { modelUrl: model.url });
  await warmline.ready();
  await until(() => look(file).answers.length === 30);
  for (const { message } of look(file).answers) {
    expect(JSON.parse(message).answer).toContain('You asked: Question');
  }
  expect(new Set(model.requests.map(({ connection }) => connection)).size).toBe(1);
  expect((await warmline.kill('SIGTERM')).code).toBe(0);
});

claudeTest('kill -9 of the server in the midst of a question leaves no process', async () => {
  const model = await startModel();
  const warmline = startWarmline(['serve', '--port', '0', '--spares', '2'], {
    modelUrl: model.url,
  });
  const { port } = await warmline.ready();
  const client = await connectTo(port);
  const pids = await until(async () => {
    const { engines } = (await client.health()) as { engines: { processes: { pids: number[] } }[] };
    const found = engines.flatMap(({ processes }) => processes.pids);
    return found.length >= 2 && found;
  });
  model.next('silence');
  const asked = client.ask('Are you there?').catch((error: unknown) => error);
  await model.waitForRequest(() => true);
  const killedMs = performance.now();
  await warmline.kill('SIGKILL');
  await until(() => !pids.some(isAlive));
  // The promise is a time: whoever restarts a server must not meet the processes of the last one.
  expect(performance.now() - killedMs).toBeLessThan(1000);
  expect(await asked).toBeInstanceOf(Error);
});

claudeTest('no key is in what the server writes, whatever fails', async () => {
  const model = await startModel({ script: 'status=401 text=bad key sk-ant-fake-key' });
  const warmline = startWarmline(['serve', '--port', '0'], { modelUrl: model.url });
  const { port } = await warmline.ready();
  const client = await connectTo(port);
  const error = await client.ask('Are you there?').catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'engine_auth' });
  const health = JSON.stringify(await client.health());
  expect(health).toContain('"auth":"failed"');
  const { stderr, stdout } = await warmline.kill('SIGTERM');
  expect(`${String(error)}${health}${stderr}${stdout}`).not.toContain('sk-ant-fake');
});

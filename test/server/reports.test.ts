import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ReportReply } from '../../src/protocol/index.js';
import { countProcesses } from '../../src/server/processes.js';
import { VERSION } from '../../src/version.js';
import { answerByHand, serve } from './support.js';

test('health has everything a monitor relies on', async () => {
  const { connect } = await serve();
  const wire = await connect();
  wire.send({ type: 'health', id: 'h' });
  expect(ReportReply.parse(await wire.line())).toMatchObject({
    type: 'health',
    id: 'h',
    status: 'ok',
    live: true,
    ready: true,
    version: VERSION,
    pid: process.pid,
    uptime_s: expect.any(Number),
    engines: [{ engine: 'scripted' }],
    processes: { children: expect.any(Number), zombies: 0 },
    memory: { rss_bytes: expect.any(Number) },
    connections: { open: 1, max: 1024 },
  });
});

test('health is not ready while the bridge is not', async () => {
  const { bridge, connect } = await serve();
  bridge.report = { ...bridge.report, status: 'down', ready: false };
  const wire = await connect();
  wire.send('health');
  expect(await wire.line()).toMatchObject({ status: 'down', live: true, ready: false });
});

test('stats, sessions and help answer a person at a terminal', async () => {
  const { connect } = await serve();
  const wire = await connect();
  wire.send('ping', { type: 'query', id: 1, question: 'q' }, 'x');
  await wire.lines(3);
  wire.send('stats', 'sessions', 'help');
  const [stats, sessions, help] = await wire.lines(3);
  expect(stats).toMatchObject({
    type: 'stats',
    server: {
      connections: { open: 1, accepted: 1 },
      lines: 4,
      bad_lines: 1,
      queries: 1,
      answered: 1,
      errors: { bad_json: 1 },
    },
    bridge: { scripted: true },
  });
  expect(sessions).toEqual({ type: 'sessions', sessions: [{ id: 's1', state: 'ready' }] });
  expect(Object.keys(help.requests)).toContain('query');
  expect(help.words).toContain('quit');
});

test('children are counted, and dead ones that nobody reaped as zombies', async () => {
  const before = countProcesses([]);
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  expect(countProcesses([])).toEqual({ children: before.children + 1, zombies: 0 });
  child.kill('SIGKILL');
  // The event loop reaps: as long as this test does not let it run, the dead child stays.
  while (!/\) Z /.test(readFileSync(`/proc/${child.pid}/stat`, 'utf8')));
  expect(countProcesses([child.pid as number])).toEqual({
    children: before.children + 1,
    zombies: 1,
  });
  await once(child, 'exit');
  expect(countProcesses([child.pid as number, process.ppid])).toEqual(before);
});

test('counters include queries that are still in flight', async () => {
  const { bridge, connect, server } = await serve(answerByHand);
  const wire = await connect();
  wire.send({ type: 'query', id: 1, question: 'q' });
  await bridge.next();
  expect(server.stats()).toMatchObject({ queries: 1, answered: 0 });
});

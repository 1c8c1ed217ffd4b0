import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { launch, type Place, placeOf, stopDaemon } from '../../clients/daemon/index.js';
import { processesNaming, tempDir, until } from '../support/process.js';
import { ownerOf } from './owner-of.js';

const DAEMON = join(import.meta.dirname, 'children/daemon.mjs');
const READY = 'say={"event":"ready"}';

/** A place, and a way to launch what plays a daemon there. */
function aPlace(readyMs = 20_000) {
  const dir = tempDir();
  const place = placeOf(join(dir, 'bus.db'), { XDG_STATE_HOME: dir });
  const stop = new AbortController();
  onTestFinished(async () => {
    for (const pid of processesNaming(dir)) process.kill(pid, 'SIGKILL');
    await until(() => processesNaming(dir).length === 0);
  });
  return {
    place,
    stop,
    running: () => processesNaming(dir),
    launch: (...words: string[]) =>
      launch({ place, words: [DAEMON, dir, ...words], readyMs, signal: stop.signal }),
  };
}

test('a daemon is launched when it says that it is ready', async () => {
  const { launch, running } = aPlace();
  const launched = await launch(READY);
  expect(launched).toEqual({ did: 'start', pid: expect.any(Number) });
  expect(running()).toEqual([(launched as { pid: number }).pid]);
});

test('one that fails hands on what it says and its exit code', async () => {
  const { launch, running } = aPlace();
  const why = 'say={"event":"failed","message":"the moon is wrong"}';
  expect(await launch(why, 'exit=78')).toEqual({
    did: 'fail',
    exitCode: 78,
    why: 'the moon is wrong',
  });
  expect(running()).toEqual([]);
});

test.each([
  [['exit=3'], 3],
  [['exit=0'], 1],
  [['say=no JSON', 'exit=1'], 1],
])('one that ends without a word of its own (%j) has failed', async (words, exitCode) => {
  const { launch } = aPlace();
  const launched = await launch(...words);
  expect(launched).toMatchObject({ did: 'fail', exitCode });
  expect((launched as { why: string }).why).toMatch(/^it ended before it was ready \(/);
});

test('one that is never ready is ended, with what it has started', async () => {
  const { launch, running } = aPlace(500);
  expect(await launch('child', 'deaf')).toEqual({
    did: 'fail',
    exitCode: 1,
    why: 'it was not ready within 0.5 s and has been stopped',
  });
  await until(() => running().length === 0);
});

test('one that is not wanted any more before it is ready is ended', async () => {
  const { launch, stop, running } = aPlace();
  const launching = launch('deaf');
  await until(() => running().length === 1);
  stop.abort();
  expect(await launching).toMatchObject({ did: 'fail', why: 'the start was interrupted' });
  expect(running()).toEqual([]);
});

test('what it says on standard error is in its log', async () => {
  const { launch, place } = aPlace();
  const launched = await launch(READY, 'deaf');
  process.kill((launched as { pid: number }).pid, 'SIGTERM');
  await until(() => logOf(place).includes('not now'));
});

function logOf({ log }: Place): string {
  return existsSync(log) ? readFileSync(log, 'utf8') : '';
}

test('one that does not stop is ended by force, with what it has started', async () => {
  const { launch, running } = aPlace();
  const launched = await launch('child', 'deaf', READY);
  const { pid } = launched as { pid: number };
  await until(() => running().length === 2);
  const waits: number[] = [];
  const stopped = await stopDaemon(stateOf(pid), 100, (waitedMs) => waits.push(waitedMs));
  expect(stopped).toEqual({ did: 'stop', forced: true });
  expect(waits.every((waitedMs) => waitedMs >= 0 && waitedMs < 100)).toBe(true);
  await until(() => running().length === 0);
});

test('one that stops when told is not forced', async () => {
  const { launch, running } = aPlace();
  const { pid } = (await launch(READY)) as { pid: number };
  const stopped = await stopDaemon(stateOf(pid), 20_000, () => undefined);
  expect(stopped).toEqual({ did: 'stop', forced: false });
  expect(running()).toEqual([]);
});

test('whoever has its pid later gets no signal', async () => {
  const { launch, place } = aPlace();
  const { pid } = (await launch('deaf', READY)) as { pid: number };
  const stopped = await stopDaemon(stateOf(pid, { start: '1' }), 100, () => undefined);
  expect(stopped).toEqual({ did: 'stop', forced: false });
  process.kill(pid, 'SIGCONT');
  await until(() => logOf(place).includes('called'));
  expect(logOf(place)).not.toContain('not now');
});

function stateOf(pid: number, other: { readonly start?: string } = {}) {
  const bridge = { host: '127.0.0.1', port: 9999 };
  const owner = ownerOf(pid, other);
  return { owner, startedAtUs: 1, db: '', session: 'b', log: '', drainMs: 0, bridge } as const;
}

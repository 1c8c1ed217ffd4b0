/** However this process ends, nothing it started goes on. */
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { isAlive, Program, until } from '../support/process.js';
import { carriersOf, guardsOf, markOf, shell } from './grow.js';

const SERVER = resolve(import.meta.dirname, 'children/server.mjs');

/** One child that ignores SIGTERM, one grandchild, one that left for a session of its own. */
const FAMILY = `
  trap '' TERM
  sh -c 'sleep 1000 & wait' &
  (setsid sleep 1000 &)
  sleep 0; echo up; wait`;

/** A server with such a family: it and the pids of all its descendants. */
async function serve(ending = '') {
  const server = new Program(process.execPath, [SERVER, FAMILY, ending]);
  const [, pid] = await server.says(/^pid (\d+)$/m);
  const mark = markOf(Number(pid));
  expect(mark).not.toBe('');
  const pids = await until(() => carriersOf(mark).length === 4 && carriersOf(mark));
  return { server, pids };
}

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'a server ended by %s leaves no process behind',
  async (signal) => {
    const { server, pids } = await serve();
    await server.kill(signal);
    await until(() => !pids.some(isAlive));
  },
);

test.each(['exit', 'throw'])(
  'a server that ends by %s leaves no process behind',
  async (ending) => {
    const { server, pids } = await serve(ending);
    await server.kill('SIGHUP');
    await until(() => !pids.some(isAlive));
  },
);

test('a guard watches while there is a tree, and no longer', async () => {
  const before = guardsOf(process.pid).length;
  const one = shell('sleep 1000');
  const other = shell('sleep 1000');
  expect(guardsOf(process.pid)).toHaveLength(before + 1);
  await one.tree.kill();
  expect(guardsOf(process.pid)).toHaveLength(before + 1);
  await other.tree.kill();
  await until(() => guardsOf(process.pid).length === before);
});

test('a guard ends with the server it watches', async () => {
  const { server } = await serve();
  const guards = guardsOf(server.pid);
  expect(guards).toHaveLength(1);
  await server.kill('SIGKILL');
  await until(() => !guards.some(isAlive));
});

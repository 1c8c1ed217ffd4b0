import {
  chmodSync,
  mkdirSync,
  readdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lookForDaemon } from '../../clients/daemon/find.js';
import { findDaemon, type Place, placeOf, tidy } from '../../clients/daemon/index.js';
import { takeLock } from '../../clients/daemon/lock.js';
import { makePlace } from '../../clients/daemon/place.js';
import { type DaemonState, dropState, readState, writeState } from '../../clients/daemon/state.js';
import { formatOwner, thisProcess } from '../../src/bus/index.js';
import { ConfigError } from '../../src/errors.js';
import { isAlive, Program, tempDir, until } from '../support/process.js';
import { ownerOf } from './owner-of.js';

const HOLDER = join(import.meta.dirname, 'children/holder.mjs');

function aPlace(): Place {
  const dir = tempDir();
  const place = placeOf(join(dir, 'bus.db'), { XDG_STATE_HOME: dir });
  mkdirSync(place.dir, { recursive: true });
  return place;
}

function aState(owner = formatOwner(thisProcess())): DaemonState {
  const bridge = { host: '127.0.0.1', port: 9999 };
  return { owner, startedAtUs: 1, db: '/bus.db', session: 'b', log: '/log', drainMs: 5, bridge };
}

async function holder(place: Place): Promise<Program> {
  const program = new Program(process.execPath, [HOLDER, place.lock]);
  await program.says(/locked|refused/);
  return program;
}

test('what a daemon notes is read back, by its user only', () => {
  const place = aPlace();
  writeState(place, aState());
  expect(readState(place)).toEqual(aState());
  expect(statSync(place.state).mode & 0o777).toBe(0o600);
  dropState(place);
  expect(readState(place)).toBeUndefined();
});

test('whatever stands in the note of a daemon, it is understood or taken for none', () => {
  const place = aPlace();
  const anything = fc.oneof(
    fc.json(),
    fc.string(),
    fc.record({ owner: fc.string(), startedAtUs: fc.double(), drainMs: fc.integer() }).map(toText),
    fc.string().map((owner) => toText({ ...aState(), owner })),
    fc.nat(toText(aState()).length - 1).map((length) => toText(aState()).slice(0, length)),
  );
  fc.assert(
    fc.property(anything, (text) => {
      writeFileSync(place.state, text);
      const state = readState(place);
      expect(state === undefined || Number.isSafeInteger(state.drainMs)).toBe(true);
    }),
  );
  for (const pid of [-1, 0, 1]) {
    writeFileSync(place.state, toText({ ...aState(), owner: `boot/ns/${pid}/7` }));
    expect(readState(place)).toBeUndefined();
  }
});

test('a note that another user can write names nobody who gets a signal', () => {
  const place = aPlace();
  writeState(place, aState());
  chmodSync(place.state, 0o620);
  expect(readState(place)).toBeUndefined();
  chmodSync(place.state, 0o644);
  expect(readState(place)).toEqual(aState());
  renameSync(place.state, `${place.state}.other`);
  symlinkSync(`${place.state}.other`, place.state);
  expect(readState(place)).toBeUndefined();
});

test('a place that another user can change is not used', async () => {
  const place = aPlace();
  chmodSync(place.dir, 0o777);
  await expect(findDaemon(place)).rejects.toThrow(ConfigError);
  expect(() => makePlace(place)).toThrow(/another user can change it/);
  chmodSync(place.dir, 0o755);
  expect(await findDaemon(place)).toEqual({ at: 'absent' });
  renameSync(place.dir, `${place.dir}.other`);
  symlinkSync(`${place.dir}.other`, place.dir);
  expect(() => makePlace(place)).toThrow(/another user can change it/);
});

const toText = (value: unknown) => JSON.stringify(value);

test('one process has the lock, and its end frees it, however it ends', async () => {
  const place = aPlace();
  const first = await holder(place);
  expect(takeLock(place.lock)).toBeUndefined();
  expect((await holder(place)).stdout).toBe('refused\n');
  await first.kill('SIGKILL');
  const lock = takeLock(place.lock);
  expect(lock).toBeDefined();
  lock?.release();
  // Nothing is left beside it that a later one would trip over.
  expect(readdirSync(place.dir)).toEqual(['lock']);
});

test('a lock that cannot be used is a matter of configuration', () => {
  const place = aPlace();
  writeFileSync(place.lock, 'this is no database, and long enough to be taken for one');
  expect(() => lookForDaemon(place)).toThrow(ConfigError);
});

test('who has the lock and is the process noted, runs', async () => {
  const place = aPlace();
  const program = await holder(place);
  const state = aState(ownerOf(program.pid));
  writeState(place, state);
  expect(await findDaemon(place)).toEqual({ at: 'running', state });
  await program.kill('SIGKILL');
  expect(await findDaemon(place)).toEqual({ at: 'absent' });
  expect(tidy(place)).toBe(true);
  expect(tidy(place)).toBe(false);
});

test.each([
  ['another start time', { start: '1' }],
  ['another boot of the machine', { boot: '00000000' }],
  ['another pid namespace', { namespace: '1' }],
  ['an unknown start time', { start: '' }],
])('who has the lock and is noted with %s cannot be told', async (_what, other) => {
  const place = aPlace();
  const program = await holder(place);
  writeState(place, aState(ownerOf(program.pid, other)));
  expect(lookForDaemon(place).at).toBe('hidden');
  expect(isAlive(program.pid)).toBe(true);
});

test('what is noted is left alone while a daemon runs', async () => {
  const place = aPlace();
  await holder(place);
  writeState(place, aState());
  expect(tidy(place)).toBe(false);
  expect(readState(place)).toBeDefined();
});

test('a daemon that is starting is waited for until it has noted itself', async () => {
  const place = aPlace();
  const program = await holder(place);
  const finding = findDaemon(place);
  writeState(place, aState(ownerOf(program.pid)));
  expect(await finding).toMatchObject({ at: 'running' });
  await until(() => lookForDaemon(place).at === 'running');
});

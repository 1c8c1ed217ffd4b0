import {
  chmodSync,
  chownSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';
import { TempBus, tempDir } from '../support/temp-bus.js';
import { node } from './processes.js';

/** An ordinary user, when the tests run as one who may do everything. */
const NOBODY = process.getuid?.() === 0 ? 65_534 : undefined;

function refusalOf(file: string, options = {}) {
  try {
    openSqliteBus({ file, ...options }).close();
  } catch (error) {
    const { name, code, message } = error as Error & { code: string };
    return { name, code, message };
  }
  throw new Error(`${file} was opened`);
}

/** How opening goes for a program of an ordinary user. */
async function openedAsUser(file: string) {
  return JSON.parse(await node('open.mjs', [file], NOBODY).line());
}

function give(...paths: string[]): void {
  if (NOBODY !== undefined) for (const path of paths) chownSync(path, NOBODY, NOBODY);
}

describe('opening a bus that cannot be used says what is wrong and what to do:', () => {
  test('there is none', () => {
    const file = join(tempDir(), 'none.db');
    expect(refusalOf(file)).toMatchObject({
      name: 'BusError',
      code: 'bus_missing',
      message: expect.stringMatching(/no bus at .*--create/),
    });
    expect(refusalOf(join(file, 'below', 'bus.db')).code).toBe('bus_missing');
  });

  test('the path leads to a directory', () => {
    expect(refusalOf(tempDir()).code).toBe('bus_missing');
    expect(refusalOf(tempDir(), { create: true }).code).toBe('bus_missing');
  });

  test('the directory to make it in does not exist', () => {
    const file = join(tempDir(), 'no', 'such', 'bus.db');
    expect(refusalOf(file, { create: true }).name).toBe('BusError');
  });

  test.each([
    ['text', Buffer.from('these are my notes\n'.repeat(200)), 'bus_corrupt'],
    ['noise', Buffer.alloc(8192, 0xa7), 'bus_corrupt'],
    ['zeros', Buffer.alloc(8192), 'bus_corrupt'],
    ['an SQLite header and nothing else', header(), 'bus_corrupt'],
    ['nothing', Buffer.alloc(0), 'bus_schema'],
  ])('it holds %s', (_, content, code) => {
    const file = join(tempDir(), 'bus.db');
    writeFileSync(file, content);
    expect(refusalOf(file)).toMatchObject({ name: 'BusError', code });
    expect(readFileSync(file).equals(content)).toBe(true);
  });

  test('its end is missing', async () => {
    const temp = new TempBus();
    temp.askMany(500, [temp.addConversation()]);
    temp.peer.close();
    truncateSync(temp.file, 8192);
    expect(refusalOf(temp.file)).toMatchObject({ name: 'BusError', code: 'bus_corrupt' });
  });

  test('its file is read-only for us', async () => {
    const temp = new TempBus();
    temp.peer.close();
    give(temp.dir);
    chmodSync(temp.file, 0o444);
    expect(await openedAsUser(temp.file)).toMatchObject({
      name: 'BusError',
      code: 'bus_read_only',
      message: expect.stringContaining(temp.file),
    });
  });

  test('its directory is read-only for us', async () => {
    const temp = new TempBus();
    temp.peer.close();
    give(temp.dir, temp.file);
    chmodSync(temp.dir, 0o555);
    expect(await openedAsUser(temp.file)).toMatchObject({
      name: 'BusError',
      code: 'bus_read_only',
      message: expect.stringContaining(temp.dir),
    });
  });

  test('it may not be read by us', async () => {
    const temp = new TempBus();
    temp.peer.close();
    give(temp.dir, temp.file);
    chmodSync(temp.file, 0o000);
    expect((await openedAsUser(temp.file)).code).toBe('bus_read_only');
  });

  test('and where nothing is wrong, an ordinary user opens it', async () => {
    const temp = new TempBus();
    temp.peer.close();
    give(temp.dir, temp.file);
    expect(await openedAsUser(temp.file)).toEqual({ leases: 0 });
  });
});

describe('a damaged page', () => {
  test('met while working is reported for the call that met it, and the process lives', async () => {
    const temp = new TempBus();
    temp.askMany(2000, [temp.addConversation()]);
    const leaf = temp.peer
      .prepare(`SELECT pageno FROM dbstat WHERE name = 'messages' AND pagetype = 'leaf' LIMIT 1`)
      .pluck()
      .get() as number;
    temp.peer.close();
    const bytes = readFileSync(temp.file);
    bytes.fill(0xff, (leaf - 1) * 4096, leaf * 4096);
    writeFileSync(temp.file, bytes);

    const bus = openSqliteBus({ file: temp.file });
    await expect(bus.claim({ limit: 1, leaseMs: 1000 })).rejects.toMatchObject({
      name: 'BusError',
      code: 'bus_corrupt',
      message: expect.stringContaining('restore a backup'),
    });
    await bus.close();
  });
});

describe('opening', () => {
  test('through a symbolic link is opening the file itself', async () => {
    const temp = new TempBus();
    const link = join(tempDir(), 'link.db');
    symlinkSync(temp.file, link);
    temp.ask(temp.addConversation(), 'why?');
    const bus = openSqliteBus({ file: link });
    expect(await bus.claim({ limit: 1, leaseMs: 1000 })).toHaveLength(1);
    await bus.close();
  });

  test('with create makes a bus that other programs can use, and keeps one that is there', async () => {
    const file = join(tempDir(), 'bus.db');
    const first = openSqliteBus({ file, create: true });
    const id = await first.createConversation({ roleA: 'asker', roleB: 'shard' });
    await first.close();
    const second = openSqliteBus({ file, create: true });
    await second.close();
    const db = new Database(file);
    const row = db.prepare('SELECT * FROM conversations').get() as Record<string, string>;
    expect(row.id).toBe(id);
    expect(id).toMatch(/^conv_[a-f0-9]{16}$/);
    expect(row.session_a_token).toMatch(/^[a-f0-9]{64}$/);
    expect(row.session_b_token).not.toBe(row.session_a_token);
    const [created, expires] = [row.created_at, row.expires_at].map((at) => Date.parse(`${at}Z`));
    expect((expires ?? 0) - (created ?? 0)).toBe(3 * 3600_000);
    expect(db.pragma('journal_mode', { simple: true })).toBe('wal');
    db.close();
  });

  test('turns a bus that is not in WAL mode into one that is', async () => {
    const temp = new TempBus();
    temp.peer.pragma('journal_mode = DELETE');
    expect(temp.peer.pragma('journal_mode', { simple: true })).toBe('delete');
    const bus = temp.open();
    temp.ask(temp.addConversation(), 'why?');
    expect(await bus.claim({ limit: 1, leaseMs: 1000 })).toHaveLength(1);
    expect(temp.peer.pragma('journal_mode', { simple: true })).toBe('wal');
  });

  test('refuses a path that is a device', () => {
    expect(refusalOf('/dev/null').code).toBe('bus_missing');
  });
});

function header(): Buffer {
  const bytes = Buffer.alloc(4096);
  bytes.write('SQLite format 3\u0000');
  return bytes;
}

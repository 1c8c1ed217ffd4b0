import {
  existsSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { type Backup, BackupRefused, backUp, openSqliteBus } from '../../src/bus/index.js';
import { warmline } from '../support/process.js';
import { answer, TempBus, tempDir } from '../support/temp-bus.js';
import { python } from './processes.js';

const ALL = { limit: 1000, leaseMs: 30_000 };

/** A bus of several megabytes: many steps of a copy. */
function largeBus(questions = 30_000) {
  const temp = new TempBus();
  const conversations = Array.from({ length: 20 }, () => temp.addConversation());
  const asked = temp.askMany(questions, conversations);
  return { temp, conversations, asked, out: join(tempDir(), 'copy.db') };
}

function besides(out: string): string[] {
  return readdirSync(join(out, '..'));
}

describe('a backup', () => {
  test('is one moment of a bus that others write to, and keeps none of them', async () => {
    const { temp, conversations, asked, out } = largeBus();
    temp.open();
    let asker: ReturnType<typeof python> | undefined;
    let steps = 0;
    const made: Backup = await backUp({
      file: temp.file,
      out,
      onProgress: () => {
        steps += 1;
        asker ??= python('ask.py', temp.file, conversations[0] ?? '', '50', 'FULL');
        // Between two steps of the copy, others commit.
        temp.ask(conversations[1] ?? '', 'meanwhile?');
      },
    });
    expect(steps).toBeGreaterThan(2);
    expect(made.rows.messages).toBe(asked.length);
    expect(JSON.parse((await asker?.line()) ?? '[]')).toHaveLength(50);
    expect(temp.rows()).toHaveLength(asked.length + steps + 50);

    expect(besides(out)).toEqual(['copy.db']);
    expect(statSync(out).mode & 0o777).toBe(0o600);
    expect(made.bytes).toBe(statSync(out).size);
    const copy = new Database(out);
    expect(copy.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(copy.prepare('SELECT count(*) FROM messages').pluck().get()).toBe(asked.length);
    copy.close();
  });

  test('can be put in place of the bus, and every question in it is answered once', async () => {
    const { temp, conversations, out } = largeBus(40);
    const first = temp.open();
    for (const lease of await first.claim({ ...ALL, limit: 5 })) {
      await first.complete(lease, answer());
    }
    await backUp({ file: temp.file, out });
    const bus = openSqliteBus({ file: out });
    for (let leases = await bus.claim(ALL); leases.length > 0; leases = await bus.claim(ALL)) {
      for (const lease of leases) expect(await bus.complete(lease, answer())).toBe('kept');
    }
    expect(bus.stats()).toMatchObject({ complete: 40, pending: 0, leased: 0 });
    const answered = bus.read((db) =>
      db
        .prepare(
          `SELECT conversation_id AS conversation, json_extract(metadata, '$.in_reply_to') AS id
           FROM messages WHERE from_session = 'b' ORDER BY messages.id`,
        )
        .all(),
    ) as { conversation: string; id: number }[];
    expect(new Set(answered.map(({ id }) => id)).size).toBe(40);
    for (const each of conversations) {
      const order = answered.filter(({ conversation }) => conversation === each);
      expect(order.map(({ id }) => id)).toEqual(order.map(({ id }) => id).sort((a, b) => a - b));
    }
    await bus.close();
  });

  test('that is stopped in the middle leaves nothing', async () => {
    const { temp, out } = largeBus();
    const stop = new AbortController();
    const onProgress = (copied: number, total: number) => {
      if (copied > total / 2) stop.abort(new Error('enough'));
    };
    const stopped = backUp({ file: temp.file, out, signal: stop.signal, onProgress });
    await expect(stopped).rejects.toThrow('enough');
    expect(besides(out)).toEqual([]);
  });

  test('of a damaged bus is not made', async () => {
    const { temp, out } = largeBus();
    temp.peer.pragma('wal_checkpoint(TRUNCATE)');
    temp.peer.close();
    const file = openSync(temp.file, 'r+');
    writeSync(file, Buffer.alloc(4096, 7), 0, 4096, 4096 * 400);
    await expect(backUp({ file: temp.file, out })).rejects.toMatchObject({ code: 'bus_corrupt' });
    expect(besides(out)).toEqual([]);
  });
});

describe('a backup is refused, and nothing is touched', () => {
  test.each([
    ['the bus itself', (file: string) => file],
    ['a link to the bus', (file: string, dir: string) => linked(symlinkSync, file, dir)],
    ['another name of the bus', (file: string, dir: string) => linked(linkSync, file, dir)],
  ])('on %s, even with force', async (_, outFor) => {
    const { temp } = largeBus(3);
    const out = outFor(temp.file, tempDir());
    const before = readFileSync(temp.file);
    await expect(backUp({ file: temp.file, out, force: true })).rejects.toThrow(
      /is the bus itself/,
    );
    expect(readFileSync(temp.file).equals(before)).toBe(true);
    expect(temp.rows()).toHaveLength(3);
  });

  test.each(['-wal', '-shm', '-journal'])(
    'on the %s file of the bus, even with force',
    async (end) => {
      const { temp } = largeBus(3);
      const dir = join(tempDir(), 'elsewhere');
      symlinkSync(temp.dir, dir);
      const link = linked(symlinkSync, temp.file, tempDir());
      const outs = [temp.file + end, join(dir, `bus.db${end}`)];
      const before = besides(temp.file);
      for (const file of [temp.file, link]) {
        for (const out of outs) {
          for (const force of [true, false]) {
            await expect(backUp({ file, out, force })).rejects.toThrow(/belongs to the bus/);
          }
        }
      }
      expect(besides(temp.file)).toEqual(before);
      expect(temp.peer.pragma('integrity_check', { simple: true })).toBe('ok');
      expect(temp.rows()).toHaveLength(3);
    },
  );

  test('on a file that exists, until it is forced', async () => {
    const { temp, out } = largeBus(3);
    writeFileSync(out, 'something of mine');
    await expect(backUp({ file: temp.file, out })).rejects.toThrow(BackupRefused);
    expect(readFileSync(out, 'utf8')).toBe('something of mine');
    expect((await backUp({ file: temp.file, out, force: true })).rows.messages).toBe(3);
    expect(besides(out)).toEqual(['copy.db']);
  });

  test('on a database that somebody has open, even with force', async () => {
    const { temp, out } = largeBus(3);
    const other = new Database(out);
    other.pragma('journal_mode = WAL');
    other.exec('CREATE TABLE theirs (id)');
    await expect(backUp({ file: temp.file, out, force: true })).rejects.toThrow(/is in use/);
    expect(other.pragma('quick_check', { simple: true })).toBe('ok');
    other.close();
  });

  test('in a directory that is not there', async () => {
    const { temp } = largeBus(3);
    const out = join(tempDir(), 'nowhere', 'copy.db');
    await expect(backUp({ file: temp.file, out })).rejects.toThrow(/there is no directory/);
  });
});

function linked(link: (from: string, to: string) => void, file: string, dir: string): string {
  const path = join(dir, 'link.db');
  link(file, path);
  return path;
}

test('the command says what it copied, and exits as others do', async () => {
  const { temp, out } = largeBus(7);
  const words = ['backup', '--db', temp.file, '--out', out];
  const made = await warmline([...words, '--json']);
  expect(made).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(made.stdout)).toMatchObject({ out, check: 'ok', rows: { messages: 7 } });
  expect(await warmline(words)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('replace it with --force'),
  });
  expect(await warmline([...words, '--force'])).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('7 messages, checked and whole'),
  });
  expect(await warmline(['backup', '--db', temp.file, '--out', ''])).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('--out names no file'),
  });
  const missing = await warmline(['backup', '--db', `${temp.file}x`, '--out', `${out}x`]);
  expect(missing.code).toBe(78);
  expect(existsSync(`${out}x`)).toBe(false);
});

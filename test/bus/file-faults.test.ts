import {
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type BusError,
  type BusObserver,
  type Lease,
  openSqliteBus,
  type SqliteBus,
} from '../../src/bus/index.js';
import { answer, TempBus, tempDir } from '../support/temp-bus.js';
import { python } from './processes.js';

const ALL = { limit: 100, leaseMs: 30_000 };

interface Seen {
  readonly check: string;
  readonly asked: number[];
  readonly answered: number[];
}

/** What a program sees that comes to the bus only now. */
async function seenByOthers(file: string): Promise<Seen> {
  return JSON.parse(await python('look.py', file).line());
}

/** A bus that only `bus` has open, with questions whose rows are in the WAL file alone. */
function busWithWal(count: number, observer?: BusObserver) {
  const temp = new TempBus();
  const conversations = Array.from({ length: count }, () => temp.addConversation());
  const bus = temp.open(observer && { observer });
  const asked = temp.askMany(count, conversations);
  temp.peer.close();
  return { temp, bus, asked, file: temp.file, wal: `${temp.file}-wal`, conversations };
}

async function answerAll(bus: SqliteBus, leases: readonly Lease[]): Promise<unknown[]> {
  return Promise.all(leases.map((lease) => bus.complete(lease, answer())));
}

describe('when somebody deletes the WAL file under us', () => {
  test.each([
    ['alone', ['-wal']],
    ['with the shared-memory file', ['-wal', '-shm']],
  ])(
    '%s, nothing that was committed is lost, and our next answer is seen by all',
    async (_, ends) => {
      const { bus, asked, file, conversations } = busWithWal(20);
      const leases = await bus.claim(ALL);
      await answerAll(bus, leases.slice(0, 10));
      for (const end of ends) rmSync(file + end);
      expect(await answerAll(bus, leases.slice(10))).toEqual(leases.slice(10).map(() => 'kept'));
      expect(await seenByOthers(file)).toEqual({ check: 'ok', asked, answered: asked });

      // From here on both sides see each other as before.
      const asker = python('ask.py', file, conversations[0] ?? '', '3', 'FULL');
      const more: number[] = JSON.parse(await asker.line());
      for (const id of more) {
        const [lease] = (await bus.claim(ALL)) as [Lease];
        expect(lease.questionId).toBe(id);
        expect(await bus.complete(lease, answer())).toBe('kept');
      }
      const all = [...asked, ...more];
      expect(await seenByOthers(file)).toMatchObject({ check: 'ok', asked: all });
      expect((await seenByOthers(file)).answered).toEqual(all);
    },
  );

  test('it is noticed without a write, and later rows of others are noticed too', async () => {
    const { bus, asked, file, wal, conversations } = busWithWal(5);
    const leases = await bus.claim(ALL);
    await answerAll(bus, leases);
    let resolve = (): void => {};
    const came = new Promise<void>((done) => {
      resolve = done;
    });
    const stop = bus.watch(() => bus.stats().pending > 0 && resolve());
    rmSync(wal);
    await expect.poll(() => existsSync(wal)).toBe(true);
    expect(await seenByOthers(file)).toEqual({ check: 'ok', asked, answered: asked });

    const asker = python('ask.py', file, conversations[0] ?? '', '1', 'FULL');
    const [id] = JSON.parse(await asker.line());
    await came;
    stop();
    expect((await bus.claim(ALL)).map((lease) => lease.questionId)).toEqual([id]);
  });

  test('again and again, every answer arrives', async () => {
    const { bus, asked, file, wal } = busWithWal(12);
    for (const lease of await bus.claim(ALL)) {
      rmSync(wal);
      expect(await bus.complete(lease, answer())).toBe('kept');
    }
    expect(await seenByOthers(file)).toEqual({ check: 'ok', asked, answered: asked });
  });
});

describe('when another file takes the place of the bus', () => {
  test('we go over to it, and write no more to the one that was there', async () => {
    const { bus, file } = busWithWal(3);
    const leases = await bus.claim(ALL);
    const other = new TempBus();
    const conversation = other.addConversation();
    const asked = other.askMany(2, [conversation]);
    other.peer.close();

    const old = join(tempDir(), 'old.db');
    for (const end of ['', '-wal', '-shm']) renameSync(file + end, old + end);
    const before = readFileSync(`${old}-wal`);
    renameSync(other.file, file);

    expect(await answerAll(bus, leases)).toEqual(['lost', 'lost', 'lost']);
    const [lease] = await bus.claim(ALL);
    expect(lease?.questionId).toBe(asked[0]);
    if (lease) expect(await bus.complete(lease, answer())).toBe('kept');
    expect(await seenByOthers(file)).toEqual({ check: 'ok', asked, answered: [asked[0]] });
    // Leaving the old file may fold its WAL in; nothing is added to it.
    if (existsSync(`${old}-wal`)) expect(readFileSync(`${old}-wal`).equals(before)).toBe(true);
    expect((await seenByOthers(old)).answered).toEqual([]);
  });

  test('and the WAL file of the old one is left beside it, that is put aside and not read into it', async () => {
    const told: BusError[] = [];
    const { bus, file, wal } = busWithWal(30, { trouble: (error) => told.push(error) });
    const leases = await bus.claim(ALL);
    const other = new TempBus();
    const conversations = Array.from({ length: 4 }, () => other.addConversation());
    const asked = other.askMany(40, conversations);
    other.peer.close();

    const before = readFileSync(wal);
    renameSync(other.file, file);
    expect(await answerAll(bus, leases)).toEqual(leases.map(() => 'lost'));
    expect(told.map(({ message }) => message)).toEqual([
      expect.stringContaining(`${wal}.replaced`),
    ]);
    expect(readFileSync(`${wal}.replaced`).equals(before)).toBe(true);
    const answered: number[] = [];
    for (let next = await bus.claim(ALL); next.length > 0; next = await bus.claim(ALL)) {
      answered.push(...next.map((lease) => lease.questionId));
      await answerAll(bus, next);
    }
    expect(answered.sort((one, other) => one - other)).toEqual(asked);
    expect(await seenByOthers(file)).toMatchObject({ check: 'ok', asked });
  });

  test('by a link that leads elsewhere, the old one keeps its WAL file', async () => {
    const { bus: direct, file, asked } = busWithWal(3);
    const other = new TempBus();
    const [id] = other.askMany(1, [other.addConversation()]);
    const link = join(tempDir(), 'link.db');
    symlinkSync(file, link);
    const bus = openSqliteBus({ file: link });
    rmSync(link);
    symlinkSync(other.file, link);
    const leases = await bus.claim(ALL);
    expect(leases.map((lease) => lease.questionId)).toEqual([id]);
    expect(await answerAll(bus, leases)).toEqual(['kept']);
    await bus.close();
    expect(await answerAll(direct, await direct.claim(ALL))).toHaveLength(3);
    expect(await seenByOthers(file)).toEqual({ check: 'ok', asked, answered: asked });
  });

  test('an older copy with lower numbers, its questions are found', async () => {
    const temp = new TempBus();
    const conversations = Array.from({ length: 30 }, () => temp.addConversation());
    const early = temp.askMany(3, conversations);
    const backup = join(tempDir(), 'backup.db');
    temp.peer.pragma('wal_checkpoint(TRUNCATE)');
    temp.peer.exec(`VACUUM INTO '${backup}'`);
    const bus = temp.open();
    temp.askMany(27, conversations.slice(3));
    await answerAll(bus, await bus.claim(ALL));
    expect(bus.stats()).toMatchObject({ complete: 30, pending: 0 });
    temp.peer.close();

    for (const end of ['-wal', '-shm']) rmSync(temp.file + end);
    renameSync(backup, temp.file);
    await bus.heartbeat();
    expect(bus.stats()).toMatchObject({ complete: 0, pending: 3 });
    expect((await bus.claim(ALL)).map((lease) => lease.questionId)).toEqual(early);
  });

  test('it is noticed without a write by those who watch', async () => {
    const { bus, file } = busWithWal(1);
    await bus.claim(ALL);
    const other = new TempBus();
    const conversation = other.addConversation();
    other.askMany(
      7,
      Array.from({ length: 7 }, () => conversation),
    );
    other.peer.close();
    const noticed = new Promise<void>((resolve) => {
      bus.watch(() => bus.stats().pending === 7 && resolve());
    });
    for (const end of ['-wal', '-shm']) rmSync(file + end);
    renameSync(other.file, file);
    await noticed;
  });
});

describe('when the bus is taken away', () => {
  test('answers wait, that is said once, and they are written when it is back', async () => {
    const temp = new TempBus();
    const id = temp.ask(temp.addConversation(), 'why?');
    temp.peer.close();
    const told: string[] = [];
    let troubled = (): void => {};
    const trouble = new Promise<void>((resolve) => {
      troubled = resolve;
    });
    const bus = temp.open({
      observer: {
        trouble: (error) => {
          told.push(error.code);
          troubled();
        },
        recovered: () => told.push('recovered'),
      },
    });
    const [lease] = await bus.claim(ALL);
    const away = join(tempDir(), 'away.db');
    for (const end of ['', '-wal', '-shm']) renameSync(temp.file + end, away + end);
    const size = statSync(`${away}-wal`).size;
    const settled = bus.complete(lease as Lease, answer());
    await trouble;
    expect(statSync(`${away}-wal`).size).toBe(size);
    for (const end of ['-wal', '-shm', '']) renameSync(away + end, temp.file + end);
    expect(await settled).toBe('kept');
    expect(told).toEqual(['bus_missing', 'recovered']);
    expect(await seenByOthers(temp.file)).toMatchObject({ check: 'ok', answered: [id] });
  });

  test('and something else is put there, that is not touched and the caller is told', async () => {
    const { bus, file, wal, asked } = busWithWal(1);
    const [lease] = await bus.claim(ALL);
    const away = join(tempDir(), 'away.db');
    for (const end of ['', '-wal', '-shm']) renameSync(file + end, away + end);
    copyFileSync(import.meta.filename, file);
    await expect(bus.complete(lease as Lease, answer())).rejects.toMatchObject({
      code: 'bus_corrupt',
      message: expect.stringContaining('not an SQLite database'),
    });
    expect(readFileSync(file).equals(readFileSync(import.meta.filename))).toBe(true);
    expect(existsSync(wal)).toBe(false);

    for (const end of ['-wal', '-shm', '']) renameSync(away + end, file + end);
    expect(await bus.complete(lease as Lease, answer())).toBe('kept');
    expect(await seenByOthers(file)).toEqual({ check: 'ok', asked, answered: asked });
  });
});

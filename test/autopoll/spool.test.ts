import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Spool, type Spoolable } from '../../clients/autopoll/spool.js';
import { openSpooledBus, SpoolKeeper } from '../../clients/autopoll/spool-bus.js';
import type { Lease } from '../../src/bus/index.js';
import { createLogger } from '../../src/log.js';
import { answer, TempBus, TestClock, tempDir } from '../support/temp-bus.js';

const DAY_MS = 24 * 3_600_000;
const LOG = createLogger({ level: 'silent' });
const QUESTION: Spoolable = { questionId: 7, conversationId: 'conv_07', seenAtUs: 1_234 };

/** A spool on a directory, whose questions all wait unless said otherwise. */
function spoolOn(dir: string, clock = new TestClock(), seen = new Map([[7, 1_234]])) {
  return new Spool({ dir, clock, log: LOG, unfinished: () => seen });
}

async function spooled(dir: string, text = 'kept'): Promise<string> {
  await spoolOn(dir).keep(QUESTION, answer(text));
  const [name = ''] = readdirSync(dir);
  return join(dir, name);
}

async function foundIn(spool: Spool) {
  await spool.load();
  return spool.find(QUESTION)?.answer;
}

describe('the spool', () => {
  test('gives an answer to the next process, until it is dropped', async () => {
    const dir = join(tempDir(), 'spool');
    const whole = answer('kept', {
      error: { code: 'internal', message: 'no', attempts: 3, dead: true },
      turn: { engine: 'fake', startedAtUs: 1, outputTokens: 2 },
    });
    await spoolOn(dir).keep(QUESTION, whole);
    const next = spoolOn(dir);
    await next.load();
    expect(next.find(QUESTION)).toEqual(whole);
    next.drop(QUESTION);
    await next.settled();
    expect(next.find(QUESTION)).toBeUndefined();
    expect(readdirSync(dir)).toEqual([]);
  });

  test('can be read by its owner only', async () => {
    const dir = join(tempDir(), 'state', 'spool');
    const file = await spooled(dir);
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test.each([
    ['question', { ...QUESTION, questionId: 8 }],
    ['conversation', { ...QUESTION, conversationId: 'conv_08' }],
    ['time it was seen', { ...QUESTION, seenAtUs: 1_235 }],
  ])('has no answer for another %s', async (_, other) => {
    const dir = tempDir();
    await spooled(dir);
    const spool = spoolOn(dir);
    await spool.load();
    expect(spool.find(QUESTION)).toBeDefined();
    expect(spool.find(other)).toBeUndefined();
  });

  test('forgets what is a day old, and what is answered or gone', async () => {
    const dir = tempDir();
    await spooled(dir);
    const clock = new TestClock();
    clock.advance(DAY_MS - 1);
    expect(await foundIn(spoolOn(dir, clock))).toBe('kept');
    clock.advance(1);
    expect(await foundIn(spoolOn(dir, clock))).toBeUndefined();
    expect(readdirSync(dir)).toEqual([]);

    for (const seen of [new Map(), new Map([[7, 9_999]])]) {
      await spooled(dir);
      expect(await foundIn(spoolOn(dir, new TestClock(), seen))).toBeUndefined();
      expect(readdirSync(dir)).toEqual([]);
    }
  });

  test('gives nothing but what was put in, whatever becomes of the bytes', async () => {
    const dir = tempDir();
    const file = await spooled(dir);
    const bytes = readFileSync(file);
    await fc.assert(
      fc.asyncProperty(
        fc.nat(bytes.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.boolean(),
        async (at, change, cut) => {
          const damaged = Buffer.from(cut ? bytes.subarray(0, at) : bytes);
          if (!cut) damaged[at] = (bytes[at] ?? 0) ^ change;
          writeFileSync(file, damaged);
          expect([undefined, 'kept']).toContain(await foundIn(spoolOn(dir)));
        },
      ),
      { numRuns: 200 },
    );
  });

  test('leaves out what its writer did not finish', async () => {
    const dir = tempDir();
    const file = await spooled(dir);
    writeFileSync(`${file}.4711`, '{"sha256":"');
    expect(await foundIn(spoolOn(dir))).toBe('kept');
    expect(readdirSync(dir)).toHaveLength(1);
  });

  test('takes no more than its bound, and says so once until there is room again', async () => {
    const dir = tempDir();
    const lines: string[] = [];
    const log = createLogger({
      level: 'warn',
      destination: new Writable({
        write: (chunk, _, done) => {
          lines.push(String(chunk));
          done();
        },
      }),
    });
    const unfinished = () => new Map<number, number>();
    const clock = new TestClock();
    const spool = new Spool({ dir, clock, log, unfinished, maxBytes: 1_000 });
    const numbered = (questionId: number) => ({ ...QUESTION, questionId });
    await spool.keep(numbered(1), answer('a'.repeat(400)));
    await spool.keep(numbered(2), answer('b'.repeat(400)));
    await spool.keep(numbered(3), answer('c'.repeat(400)));
    expect(readdirSync(dir)).toHaveLength(1);
    expect(lines).toHaveLength(1);
    spool.drop(numbered(1));
    await spool.keep(numbered(2), answer('b'.repeat(400)));
    await spool.keep(numbered(3), answer('c'.repeat(400)));
    expect(spool.find(numbered(2))?.answer).toBe('b'.repeat(400));
    expect(lines).toHaveLength(2);
  });

  test('is not used when others can write into it', async () => {
    const dir = join(tempDir(), 'spool');
    mkdirSync(dir, { mode: 0o700 });
    await spooled(dir);
    chmodSync(dir, 0o777);
    expect(await foundIn(spoolOn(dir))).toBeUndefined();
    const spool = spoolOn(dir);
    await spool.keep({ ...QUESTION, questionId: 8 }, answer());
    expect(readdirSync(dir)).toHaveLength(1);
  });
});

describe('a bus with a spool', () => {
  function spooledBus() {
    const temp = new TempBus();
    const told: string[] = [];
    let tell = (): void => {};
    const observer = {
      trouble: () => {
        told.push('trouble');
        tell();
      },
      recovered: () => told.push('recovered'),
    };
    const spoolDir = join(temp.dir, 'spool');
    const bus = openSpooledBus({ file: temp.file, observer }, spoolDir, LOG);
    onTestFinished(() => bus.close());
    const trouble = new Promise<void>((resolve) => {
      tell = resolve;
    });
    const names = () =>
      existsSync(spoolDir)
        ? readdirSync(spoolDir, { recursive: true, encoding: 'utf8' }).filter((name) =>
            name.endsWith('.json'),
          )
        : [];
    return { temp, bus, told, trouble, names };
  }

  test('writes nothing to it while answers go through', async () => {
    const { temp, bus, names } = spooledBus();
    temp.ask(temp.addConversation(), 'why?');
    await bus.reap();
    const [lease] = (await bus.claim({ limit: 1, leaseMs: 30_000 })) as [Lease];
    expect(await bus.complete(lease, answer())).toBe('kept');
    expect(names()).toEqual([]);
    expect(existsSync(join(temp.dir, 'spool'))).toBe(false);
  });

  test('keeps there what came before the trouble was known and what comes after, and clears it', async () => {
    const { temp, bus, told, trouble, names } = spooledBus();
    const ids = temp.askMany(2, [temp.addConversation(), temp.addConversation()]);
    const [one, two] = (await bus.claim({ limit: 2, leaseMs: 30_000 })) as [Lease, Lease];
    temp.peer.exec('BEGIN IMMEDIATE');
    const first = bus.complete(one, answer('one'));
    await trouble;
    const second = bus.complete(two, answer('two'));
    await expect.poll(names).toHaveLength(2);
    temp.peer.exec('COMMIT');
    expect(await Promise.all([first, second])).toEqual(['kept', 'kept']);
    await expect.poll(names).toEqual([]);
    expect(told).toEqual(['trouble', 'recovered']);
    for (const id of ids) expect(temp.answersTo(id)).toHaveLength(1);
  });

  test('holds nothing that is on the bus, though trouble comes while what is not is being kept', async () => {
    const temp = new TempBus();
    const bus = temp.open();
    temp.askMany(3, [temp.addConversation(), temp.addConversation(), temp.addConversation()]);
    const leases = await bus.claim({ limit: 3, leaseMs: 30_000 });
    const poison = leases[1] as Lease;
    temp.refuse(poison.questionId);
    const dir = join(temp.dir, 'spool');
    const unfinished = () => new Map<number, number>();
    const spool = new Spool({ dir, clock: new TestClock(), log: LOG, unfinished });
    const keeper = new SpoolKeeper(spool);
    const answered = leases.map((lease) => ({ lease, answer: answer() }));
    const results = await keeper.over(bus).completeAll(answered);
    keeper.troubled();
    expect(results).toEqual(['kept', expect.any(Error), 'kept']);
    await spool.settled();
    const isKept = leases.map((lease) => spool.find(lease) !== undefined);
    expect(isKept).toEqual([false, true, false]);
  });

  test('answers from it, under a new lease, what is claimed again, and hands out the rest', async () => {
    const { temp, bus, trouble, names } = spooledBus();
    const ids = temp.askMany(3, [
      temp.addConversation(),
      temp.addConversation(),
      temp.addConversation(),
    ]);
    const [one] = (await bus.claim({ limit: 1, leaseMs: 30_000 })) as [Lease];
    temp.peer.exec('BEGIN IMMEDIATE');
    const lost = bus.complete(one, answer('from the spool'));
    await trouble;
    await expect.poll(names).toHaveLength(1);
    await Promise.all([expect(lost).rejects.toMatchObject({ code: 'bus_closed' }), bus.close()]);
    temp.peer.exec('COMMIT');

    const again = openSpooledBus({ file: temp.file }, join(temp.dir, 'spool'), LOG);
    onTestFinished(() => again.close());
    temp.peer.exec(`UPDATE warmline_lanes SET lease_until_us = 1, lease_owner = 'gone/1/1/1'`);
    await again.reap();
    const rest = await again.claim({ limit: 3, leaseMs: 30_000 });
    expect(rest.map((lease) => lease.questionId)).toEqual(ids.slice(1));
    const [row] = temp.answersTo(ids[0] ?? 0);
    expect(JSON.parse(row?.message ?? '{}')).toMatchObject({ answer: 'from the spool' });
    await expect.poll(names).toEqual([]);
  });

  test('lets calls that would only repeat each other wait as one', async () => {
    const { temp, bus } = spooledBus();
    temp.ask(temp.addConversation(), 'why?');
    const [lease] = (await bus.claim({ limit: 1, leaseMs: 30_000 })) as [Lease];
    temp.peer.exec('BEGIN IMMEDIATE');
    const renewals = [bus.renew(lease, 30_000), bus.renew(lease, 30_000)];
    const beats = [bus.heartbeat(), bus.heartbeat()];
    expect(renewals[0]).toBe(renewals[1]);
    expect(beats[0]).toBe(beats[1]);
    temp.peer.exec('COMMIT');
    expect(await renewals[0]).toBe('kept');
    const later = bus.renew(lease, 30_000);
    expect(later).not.toBe(renewals[0]);
    expect(await later).toBe('kept');
    await Promise.all(beats);
  });
});

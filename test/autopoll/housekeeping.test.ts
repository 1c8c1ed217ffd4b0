import { statSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Housekeeping, type Look } from '../../clients/autopoll/housekeeping.js';
import type { SqliteBus } from '../../src/bus/index.js';
import { createLogger } from '../../src/log.js';
import { python } from '../bus/processes.js';
import { TempBus } from '../support/temp-bus.js';

const LARGE = 200_000;

interface Given {
  readonly check?: (file: string, signal: AbortSignal) => Promise<Look>;
  readonly isIdle?: () => boolean;
}

/** Housekeeping whose rounds the test makes itself. */
function keeping(bus: SqliteBus, { check = async () => ({}), isIdle = () => true }: Given) {
  const damages: string[] = [];
  const housekeeping = new Housekeeping({
    bus,
    log: createLogger({ level: 'silent' }),
    checkEveryMs: 3_600_000,
    trimEveryMs: 3_600_000,
    largeWalBytes: LARGE,
    isIdle,
    check,
    onDamaged: (damage) => damages.push(damage),
  });
  onTestFinished(() => housekeeping.stop());
  return { housekeeping, damages };
}

async function grow(temp: TempBus, bus: SqliteBus): Promise<void> {
  const conversationId = temp.addConversation();
  const message = 'x'.repeat(20_000);
  for (let row = 0; row < 20; row += 1) {
    await bus.put({ conversationId, from: 'a', message, metadata: null });
  }
}

const walOf = (temp: TempBus) => statSync(`${temp.file}-wal`).size;

describe('the WAL file', () => {
  test('that a reader of another program needs grows, and holds nobody up', async () => {
    const temp = new TempBus();
    const bus = temp.open();
    const { housekeeping } = keeping(bus, {});
    const reader = python('../../faults/python/read.py', temp.file);
    await reader.line();
    await grow(temp, bus);
    const grown = walOf(temp);
    expect(grown).toBeGreaterThan(LARGE);
    for (let round = 0; round < 5; round += 1) {
      housekeeping.trim();
      await bus.createConversation({ roleA: 'asker', roleB: 'shard' });
    }
    expect(walOf(temp)).toBeGreaterThanOrEqual(grown);

    reader.say('enough');
    expect(await reader.line()).toBe('done');
    // One round copies what is left, the next one cuts.
    housekeeping.trim();
    expect(walOf(temp)).toBeGreaterThanOrEqual(grown);
    housekeeping.trim();
    expect(walOf(temp)).toBe(0);
    expect(temp.peer.pragma('quick_check', { simple: true })).toBe('ok');
  });

  test('is left alone while questions are answered, and while it is small', async () => {
    const temp = new TempBus();
    const bus = temp.open();
    let isIdle = false;
    const { housekeeping } = keeping(bus, { isIdle: () => isIdle });
    await bus.createConversation({ roleA: 'asker', roleB: 'shard' });
    isIdle = true;
    const small = walOf(temp);
    for (let round = 0; round < 3; round += 1) housekeeping.trim();
    expect(walOf(temp)).toBe(small);

    await grow(temp, bus);
    isIdle = false;
    const grown = walOf(temp);
    for (let round = 0; round < 3; round += 1) housekeeping.trim();
    expect(walOf(temp)).toBe(grown);
  });

  test('is cut only when all of it was copied a round before', async () => {
    const temp = new TempBus();
    const bus = temp.open();
    const { housekeeping } = keeping(bus, {});
    await grow(temp, bus);
    housekeeping.trim();
    const reader = python('../../faults/python/read.py', temp.file);
    await reader.line();
    await grow(temp, bus);
    // The reader came in between: this round cannot cut, and the next one begins anew.
    housekeeping.trim();
    expect(walOf(temp)).toBeGreaterThan(LARGE);
    reader.say('enough');
    await reader.line();
    housekeeping.trim();
    housekeeping.trim();
    expect(walOf(temp)).toBe(0);
  });
});

describe('a look for damage', () => {
  test('that finds some is made again before it is believed', async () => {
    const bus = new TempBus().open();
    const looks: Look[] = [{ damage: 'a page' }, {}, { damage: 'a page' }, { damage: 'two pages' }];
    const check = async () => looks.shift() ?? {};
    const { housekeeping, damages } = keeping(bus, { check });
    await housekeeping.check();
    expect(damages).toEqual([]);
    await housekeeping.check();
    expect(damages).toEqual(['two pages']);
    expect(looks).toEqual([]);
  });

  test('that cannot be had says nothing of the bus', async () => {
    const bus = new TempBus().open();
    const check = () => Promise.reject(new Error('no process to be had'));
    const { housekeeping, damages } = keeping(bus, { check });
    await housekeeping.check();
    expect(damages).toEqual([]);
  });

  test('is under way once, however often it is asked for', async () => {
    const bus = new TempBus().open();
    let looks = 0;
    const check = async () => {
      looks += 1;
      return {};
    };
    const { housekeeping } = keeping(bus, { check });
    await Promise.all([housekeeping.check(), housekeeping.check(), housekeeping.check()]);
    expect(looks).toBe(1);
  });

  test('ends with the program', async () => {
    const bus = new TempBus().open();
    const check = (_: string, signal: AbortSignal) =>
      new Promise<Look>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    const { housekeeping, damages } = keeping(bus, { check });
    const looking = housekeeping.check();
    await housekeeping.stop();
    await looking;
    expect(damages).toEqual([]);
  });
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  changeTimeouts,
  type Latency,
  planAdaptive,
  planApply,
  readTimeouts,
  recommend,
  suggestedTimeoutMs,
  type Timeout,
  type TimeoutChange,
  TimeoutTable,
  verdictOn,
} from '../../src/bus/index.js';
import { TempBus } from '../support/temp-bus.js';

const SETTING_MS = 300_000;
const BOUNDS = { floorMs: 30_000, ceilingMs: 3_600_000 };

const conversation = fc.constantFrom('', 'conv_1', 'conv_2');
const engine = fc.constantFrom('', 'claude', 'extract');
const milliseconds = fc.integer({ min: 1, max: 4_000_000 });

const timeout = fc.record({
  conversationId: conversation,
  engine,
  timeoutMs: milliseconds,
  source: fc.constantFrom('set' as const, 'adaptive' as const),
});
const timeouts = fc.uniqueArray(timeout, {
  selector: (row) => `${row.conversationId} ${row.engine}`,
});

const latency = fc
  .record({
    conversationId: fc.constantFrom('conv_1', 'conv_2', 'conv_3'),
    engine: fc.constantFrom('claude', 'extract'),
    timed: fc.constantFrom(0, 1, 19, 20, 500),
    p99Ms: milliseconds,
  })
  .map((drawn) => latencyOf(drawn));
const latencies = fc.uniqueArray(latency, {
  selector: (row) => `${row.conversationId} ${row.engine}`,
});

function latencyOf(
  known: Pick<Latency, 'conversationId' | 'engine' | 'timed'> & { p99Ms: number },
): Latency {
  const { timed } = known;
  const p99Ms = timed === 0 ? null : known.p99Ms;
  const times = { p50Ms: p99Ms, p95Ms: p99Ms, p99Ms, maxMs: p99Ms, meanMs: p99Ms };
  return { ...known, samples: timed + 3, complete: timed, failed: 3, ...times };
}

describe('a verdict', () => {
  test('is TOO_LOW below the suggestion, TOO_HIGH above twice that, else OK', () => {
    fc.assert(
      fc.property(milliseconds, fc.double({ min: 0, max: 1e6, noNaN: true }), (current, p99) => {
        const suggested = suggestedTimeoutMs(p99);
        expect(suggested % 1000).toBe(0);
        expect(suggested).toBeGreaterThanOrEqual(p99 * 1.5);
        expect(suggested - 1000).toBeLessThan(Math.max(p99 * 1.5, 1));
        const verdict = verdictOn(current, suggested);
        expect(verdict === 'TOO_LOW').toBe(current < suggested);
        expect(verdict === 'TOO_HIGH').toBe(current > 2 * suggested);
      }),
    );
  });

  test.each([
    [99, 'NO_DATA', undefined],
    [29_999, 'TOO_LOW', 30_000],
    [30_000, 'OK', 30_000],
    [60_000, 'OK', 30_000],
    [60_001, 'TOO_HIGH', 30_000],
  ])('on %i ms is %s where %s ms are suggested', (current, verdict, suggested) => {
    expect(verdictOn(current, suggested)).toBe(verdict);
  });

  test.each([
    [20_000, 30_000],
    [20_000.001, 31_000],
    [0, 1_000],
  ])('suggests, for a 99th percentile of %d ms, %i ms', (p99, suggested) => {
    expect(suggestedTimeoutMs(p99)).toBe(suggested);
  });
});

test('a turn has the nearest time-out: set before learned, its conversation before its engine', () => {
  fc.assert(
    fc.property(timeouts, conversation, engine, (rows, conversationId, name) => {
      const table = new TimeoutTable(rows);
      const holds = (row: Timeout) =>
        ['', conversationId].includes(row.conversationId) && ['', name].includes(row.engine);
      const weight = (row: Timeout) =>
        (row.source === 'set' ? 4 : 0) + (row.conversationId ? 2 : 0) + (row.engine ? 1 : 0);
      const nearest = rows.filter(holds).sort((one, other) => weight(other) - weight(one))[0];
      expect(table.find(conversationId, [name])).toEqual(nearest);
    }),
  );
});

test('everything with turns or a time-out of its own is listed once, with the time-out that holds', () => {
  fc.assert(
    fc.property(latencies, timeouts, (known, rows) => {
      const table = new TimeoutTable(rows);
      const listed = recommend(known, table, SETTING_MS);
      const keys = listed.map((each) => `${each.conversationId} ${each.engine}`);
      expect(new Set(keys).size).toBe(keys.length);
      expect(new Set(keys)).toEqual(
        new Set([...known, ...rows].map((each) => `${each.conversationId} ${each.engine}`)),
      );
      for (const each of listed) {
        const found = table.find(each.conversationId, [each.engine]);
        expect(each.currentMs).toBe(found?.timeoutMs ?? SETTING_MS);
        expect(each.verdict === 'NO_DATA').toBe(each.p99Ms === null);
      }
    }),
  );
});

test('what is applied rests on enough turns, keeps to the bounds and needs no second time', () => {
  fc.assert(
    fc.property(latencies, timeouts, (known, rows) => {
      const before = recommend(known, new TimeoutTable(rows), SETTING_MS);
      const plan = planApply(before, BOUNDS);
      for (const { conversationId, engine: name, timeoutMs } of plan) {
        const { timed, verdict } = before.find(
          (each) => each.conversationId === conversationId && each.engine === name,
        ) as (typeof before)[number];
        expect(timed).toBeGreaterThanOrEqual(20);
        expect(['TOO_LOW', 'TOO_HIGH']).toContain(verdict);
        expect(timeoutMs).toBeGreaterThanOrEqual(BOUNDS.floorMs);
        expect(timeoutMs).toBeLessThanOrEqual(BOUNDS.ceilingMs);
      }
      const after = recommend(known, new TimeoutTable(applied(rows, plan, 'set')), SETTING_MS);
      expect(planApply(after, BOUNDS)).toEqual([]);
    }),
  );
});

test('clocks are learned where nobody set one, inside the bounds, and taken away with their turns', () => {
  fc.assert(
    fc.property(latencies, timeouts, (known, rows) => {
      const table = new TimeoutTable(rows);
      const plan = planAdaptive(known, table, BOUNDS);
      const after = new TimeoutTable(applied(rows, plan, 'adaptive'));
      for (const row of rows.filter(({ source }) => source === 'set')) {
        expect(after.at(row.conversationId, row.engine)).toEqual(row);
      }
      for (const row of after.rows.filter(({ source }) => source === 'adaptive')) {
        expect(row.timeoutMs).toBeGreaterThanOrEqual(BOUNDS.floorMs);
        expect(row.timeoutMs).toBeLessThanOrEqual(BOUNDS.ceilingMs);
        expect(after.find(row.conversationId, [row.engine])).toEqual(row);
      }
      expect(planAdaptive(known, after, BOUNDS)).toEqual([]);
      const off = new TimeoutTable(
        applied(after.rows, planAdaptive([], after, BOUNDS), 'adaptive'),
      );
      expect(off.rows.every(({ source }) => source === 'set')).toBe(true);
    }),
  );
});

/** What the table holds once the changes are in it. */
function applied(
  rows: readonly Timeout[],
  changes: readonly TimeoutChange[],
  source: Timeout['source'],
): Timeout[] {
  const key = (row: { conversationId: string; engine: string }) =>
    `${row.conversationId} ${row.engine}`;
  const changed = new Set(changes.map(key));
  const kept = rows.filter((row) => !changed.has(key(row)));
  const put = changes.flatMap(({ conversationId, engine: name, timeoutMs }) =>
    timeoutMs === undefined ? [] : [{ conversationId, engine: name, timeoutMs, source }],
  );
  return [...kept, ...put];
}

test('what a person set, learning never changes, also when both happen at once', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const at = { conversationId: 'conv_1', engine: 'claude' };
  const now = () => bus.read((db) => readTimeouts(db, 'b').rows);
  expect(await changeTimeouts(bus, [{ ...at, timeoutMs: 1 }], 'adaptive')).toBe(1);
  expect(now()).toEqual([{ ...at, timeoutMs: 1, source: 'adaptive' }]);
  expect(await changeTimeouts(bus, [{ ...at, timeoutMs: 2 }], 'set')).toBe(1);
  expect(await changeTimeouts(bus, [{ ...at, timeoutMs: 3 }], 'adaptive')).toBe(0);
  expect(await changeTimeouts(bus, [{ ...at, timeoutMs: undefined }], 'adaptive')).toBe(0);
  expect(now()).toEqual([{ ...at, timeoutMs: 2, source: 'set' }]);
  expect(await changeTimeouts(bus, [{ ...at, timeoutMs: undefined }], 'set')).toBe(1);
  expect(now()).toEqual([]);
});

test('the time-outs of one side are none of the other', async () => {
  const temp = new TempBus();
  const at = { conversationId: '', engine: '' };
  await changeTimeouts(temp.open({ session: 'a' }), [{ ...at, timeoutMs: 1 }], 'set');
  expect(temp.open().read((db) => readTimeouts(db, 'b').isEmpty)).toBe(true);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  DEFAULT_WARNING_LIMITS,
  look,
  type Memory,
  NOTHING_SEEN,
  type Snapshot,
  type WarningKind,
} from '../../clients/autopoll/warnings.js';

const LIMITS = { ...DEFAULT_WARNING_LIMITS, emptyMs: 30_000 };

const WELL: Snapshot = {
  atMs: 0,
  pending: 0,
  leased: 0,
  oldestMs: 0,
  couldAsk: false,
  idleMs: 0,
  outcomes: new Map(),
  dead: 0,
  parks: [],
  reaperSilentMs: 0,
  walBytes: 0,
  diskFreeBytes: 1e12,
  clockJumpMs: 0,
  lockMs: 0,
  trouble: undefined,
};

const kinds = ({ warnings }: Memory) => warnings.map(({ kind }) => kind);

/** Looks five seconds apart, each with these changes. */
function watch(...changes: readonly Partial<Snapshot>[]): Memory[] {
  const memories: Memory[] = [];
  for (const [index, change] of changes.entries()) {
    const now = { ...WELL, atMs: index * 5_000, ...change };
    memories.push(look(memories.at(-1) ?? NOTHING_SEEN, now, LIMITS));
  }
  return memories;
}

const MIB = 1024 * 1024;
const turns = (worked: number, failed: number) => new Map([['slow', { worked, failed }]]);

test.each<[WarningKind, Partial<Snapshot>, Partial<Snapshot>, Partial<Snapshot>]>([
  ['oldest_unanswered', { oldestMs: 600_000 }, { oldestMs: 500_000 }, { oldestMs: 400_000 }],
  [
    'reaper_late',
    { reaperSilentMs: 20_000 },
    { reaperSilentMs: 17_000 },
    { reaperSilentMs: 5_000 },
  ],
  ['wal_size', { walBytes: 256 * MIB }, { walBytes: 220 * MIB }, { walBytes: 64 * MIB }],
  [
    'disk_free',
    { diskFreeBytes: 500 * MIB },
    { diskFreeBytes: 600 * MIB },
    { diskFreeBytes: 700 * MIB },
  ],
  ['bus_trouble', { trouble: 'bus_full' }, { trouble: 'bus_full' }, {}],
  ['slow_lock', { lockMs: 5_000 }, { lockMs: 4_500 }, { lockMs: 0, atMs: 200_000 }],
  ['clock_jump', { clockJumpMs: -3_600_000 }, {}, { atMs: 200_000 }],
])(
  '%s is told at its threshold, stands while it hovers there, and is over well below',
  (kind, bad, hovering, well) => {
    const [before, raised, standing, over] = watch({}, bad, hovering, well);
    expect(kinds(before as Memory)).toEqual([]);
    expect(kinds(raised as Memory)).toEqual([kind]);
    expect(kinds(standing as Memory)).toEqual([kind]);
    expect(standing?.warnings[0]?.sinceMs).toBe(5_000);
    expect(kinds(over as Memory)).toEqual([]);
  },
);

test('a figure that never reached its threshold is no warning, however near it hovers', () => {
  expect(kinds(watch({}, { oldestMs: 599_999 }, { oldestMs: 500_000 })[2] as Memory)).toEqual([]);
});

test('a backlog is told by how fast it grows, not by how long it is', () => {
  const [, grown] = watch({ pending: 20_000 }, { pending: 21_000 });
  expect(kinds(grown as Memory)).toEqual(['backlog_growth']);
  const [, steady] = watch({ pending: 20_000 }, { pending: 20_100 });
  expect(kinds(steady as Memory)).toEqual([]);
});

test('starving is: a question could be asked, for a minute, and none was', () => {
  const hungry = (seconds: number, idleMs = seconds * 1000) => ({
    ...{ atMs: seconds * 1000, couldAsk: true, idleMs },
  });
  expect(kinds(watch(hungry(0), hungry(30), hungry(60))[2] as Memory)).toEqual(['starvation']);
  expect(kinds(watch(hungry(0), hungry(30), hungry(60, 1_000))[2] as Memory)).toEqual([]);
  const fed = { ...hungry(30), couldAsk: false };
  expect(kinds(watch(hungry(0), fed, hungry(60))[2] as Memory)).toEqual([]);
});

test('an empty queue is worth a word only after there was work', () => {
  const idle = { atMs: 60_000 };
  expect(kinds(watch({ pending: 1 }, idle)[1] as Memory)).toEqual(['queue_empty']);
  expect(kinds(watch({}, idle)[1] as Memory)).toEqual([]);
  expect(kinds(watch({ pending: 1 }, { ...idle, leased: 1 })[1] as Memory)).toEqual([]);
});

test('an engine fails too often when half of ten turns do, and is named', () => {
  const [few, many] = watch({ outcomes: turns(0, 9) }, { outcomes: turns(5, 0) });
  expect(kinds(few as Memory)).toEqual([]);
  expect(many?.warnings[0]).toMatchObject({ kind: 'failure_rate', subject: 'slow', value: 64 });
  const [, , later] = watch({ outcomes: turns(0, 10) }, {}, { atMs: 400_000 });
  expect(kinds(later as Memory)).toEqual([]);
});

test('a threshold of 0 turns its warning off', () => {
  const off = Object.fromEntries(Object.keys(LIMITS).map((name) => [name, 0])) as typeof LIMITS;
  const bad = { ...WELL, oldestMs: 1e9, reaperSilentMs: 1e9, diskFreeBytes: 0, lockMs: 1e9 };
  expect(look(NOTHING_SEEN, bad, off).warnings).toEqual([]);
});

const anySnapshot = fc.record({
  pending: fc.nat(5000),
  leased: fc.nat(50),
  oldestMs: fc.nat(2_000_000),
  couldAsk: fc.boolean(),
  idleMs: fc.nat(200_000),
  outcomes: fc
    .array(fc.tuple(fc.string(), fc.record({ worked: fc.nat(20), failed: fc.nat(20) })))
    .map((entries) => new Map(entries)),
  dead: fc.nat(20),
  parks: fc.uniqueArray(
    fc.record({
      engine: fc.string(),
      code: fc.constantFrom('engine_limit', 'engine_auth'),
      message: fc.constant('takes no work'),
    }),
    { selector: ({ engine }) => engine },
  ),
  reaperSilentMs: fc.nat(60_000),
  walBytes: fc.option(fc.nat(2 ** 30), { nil: undefined }),
  diskFreeBytes: fc.option(fc.nat(2 ** 31 - 1), { nil: undefined }),
  clockJumpMs: fc.integer({ min: -1e7, max: 1e7 }),
  lockMs: fc.nat(20_000),
  trouble: fc.constantFrom(undefined, 'bus_full'),
});

test('whatever is seen: each warning once, on the wrong side of its threshold or near it, in bounded memory', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(120_000), anySnapshot), { maxLength: 30 }), (looks) => {
      let memory = NOTHING_SEEN;
      let atMs = 0;
      for (const [later, snapshot] of looks) {
        atMs += later;
        memory = look(memory, { ...snapshot, atMs }, LIMITS);
        const keys = memory.warnings.map(({ kind, subject }) => `${kind} ${subject}`);
        expect(new Set(keys).size).toBe(keys.length);
        for (const { kind, subject, value, limit, sinceMs, message } of memory.warnings) {
          expect(sinceMs).toBeLessThanOrEqual(atMs);
          // An engine may be called anything.
          expect(message.replace(subject, '')).not.toMatch(/NaN|Infinity|undefined/);
          if (kind === 'disk_free') expect(value).toBeLessThan(limit / 0.8);
          else expect(value).toBeGreaterThanOrEqual(limit * 0.8);
        }
        for (const { atMs: seen } of memory.seen) expect(atMs - seen).toBeLessThanOrEqual(300_000);
      }
    }),
  );
});

test('a question that was given up is told, and no longer after five minutes', () => {
  const [, given, ...later] = watch({ dead: 7 }, { dead: 8 }, ...Array(61).fill({ dead: 8 }));
  expect(given && kinds(given)).toEqual(['dead_letters']);
  expect(given?.warnings[0]?.message).toBe(
    '1 question was given up in the last 5 min; see: warmline dead',
  );
  const last = later.at(-1);
  expect(last && kinds(last)).toEqual([]);
});

test('a parked engine is told with its reason; a refused login is severe', () => {
  const parks = [
    { engine: '', code: 'engine_limit', message: 'usage limit until then, 2 questions wait' },
    { engine: 'claude', code: 'engine_auth', message: 'login refused until it is put right' },
  ];
  const [, parked, over] = watch({}, { parks }, {});
  expect(parked?.warnings.map(({ kind, subject, severity }) => [kind, subject, severity])).toEqual([
    ['engine_parked', '', 'warning'],
    ['engine_parked', 'claude', 'severe'],
  ]);
  expect(parked?.warnings[0]?.message).toBe(
    'the usual engine: usage limit until then, 2 questions wait',
  );
  expect(over?.warnings).toEqual([]);
});

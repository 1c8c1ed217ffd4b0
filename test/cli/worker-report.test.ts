import { expect, test } from 'vitest';
import { parkText, workerReport, workerText } from '../../clients/cli/worker-report.js';

const WORKER = {
  owner: 'boot/pid/7/start',
  session: 'b',
  startedAtUs: 0,
  seenAtUs: Date.now() * 1000,
  gone: false,
  state: {
    pid: 7,
    last_pass_age_ms: 100,
    next_pass_ms: 4_900,
    found_total: { expired: 2, gone: 1, failed: 0 },
    parks: [{ engine: 'slow', message: 'usage limit', waiting: 3 }],
    warnings: [
      { kind: 'engine_parked', severity: 'warning', message: 'slow takes no work' },
      { severity: 'severe', message: '12 MiB are free where the bus is' },
    ],
  },
};

test('a park is one line: whose, why, until when in UTC and how far off, and how many wait', () => {
  const untilMs = Date.now() + 3_600_000;
  const iso = new Date(untilMs).toISOString().slice(0, 19);
  const park = { engine: 'slow', code: 'engine_limit', since_ms: 0, until_ms: untilMs };
  expect(parkText(park, [workerReport(WORKER)])).toMatch(
    new RegExp(
      `^parked {2}slow: usage limit until ${iso}Z, in (1 h 0 min|59 min .+); 3 questions wait, as of .+ ago$`,
    ),
  );
  const usual = { ...park, engine: '', code: 'engine_auth', until_ms: null };
  expect(parkText(usual, [workerReport(WORKER)])).toBe(
    'parked  the default engine: login refused until it is put right',
  );
  expect(parkText({ ...park, until_ms: 0 })).toMatch(
    /until 1970-01-01T00:00:00Z, \d+ d \d+ h ago$/,
  );
});

test('an autopoll is one line, with what it found, and below it what was wrong when it said so', () => {
  const [line, ...below] = workerText(workerReport(WORKER));
  expect(line).toMatch(
    /^autopoll 7: heard of .+ ago; reaper on time when last heard of; it found 2 expired, 1 gone, 0 failed$/,
  );
  expect(below).toEqual([
    expect.stringMatching(/^ {2}severe: 12 MiB are free where the bus is \(as of .+ ago\)$/),
  ]);
});

test('how old a note is makes no reaper late; a pass that was overdue then does', () => {
  const old = { ...WORKER, seenAtUs: (Date.now() - 25_000) * 1000 };
  expect(workerText(workerReport(old))[0]).toContain('reaper on time when last heard of');
  const late = { ...old.state, last_pass_age_ms: 40_000, next_pass_ms: 0 };
  const report = workerReport({ ...old, state: late });
  expect(report).toMatchObject({ reaper_on_time: false });
  expect(workerText(report)[0]).toContain('reaper late when last heard of, no pass for 40 s');
  const none = workerReport({ ...old, state: { ...late, last_pass_age_ms: null } });
  expect(workerText(none)[0]).toContain('no pass of the reaper yet');
});

test('ages go on after an autopoll was last heard of', () => {
  const worker = { ...WORKER, gone: true, seenAtUs: (Date.now() - 3_600_000) * 1000 };
  expect(workerReport(worker).last_pass_age_ms).toBeGreaterThanOrEqual(3_600_000);
  expect(workerText(workerReport(worker))[0]).toMatch(
    /^autopoll 7: gone without a word, heard of 1 h /,
  );
});

test('whatever stands in the row of an autopoll, it can be shown, and moves no cursor', () => {
  const states = [
    {},
    { parks: 7, warnings: [null, { message: '\u001b[2Jx\ny', severity: 3 }], found_total: null },
  ];
  for (const state of states) {
    const text = workerText(workerReport({ ...WORKER, state })).join('\n');
    expect(text).toMatch(/^autopoll /);
    expect(text).not.toContain('\u001b');
    expect(text).not.toMatch(/^y/m);
  }
});

import { expect, test } from 'vitest';
import { moment, parkText, workerReport, workerText } from '../../clients/cli/worker-report.js';

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
    parks: [{ engine: 'slow', message: 'usage limit until noon, 3 questions wait' }],
    warnings: [{ severity: 'severe', message: '12 MiB are free where the bus is' }],
  },
};

test('people read until when an engine takes no work, in their own time', () => {
  const untilMs = new Date().setHours(14, 5, 0, 0);
  const park = { engine: 'slow', code: 'engine_limit', since_ms: 0, until_ms: untilMs };
  expect(parkText(park)).toBe('parked  slow: engine_limit until 14:05:00');
  expect(parkText({ ...park, engine: '', code: 'engine_auth', until_ms: null })).toBe(
    'parked  the default engine: engine_auth until it is put right',
  );
  expect(moment(new Date(2020, 0, 2, 3, 4, 5).getTime())).toBe('2020-01-02 03:04:05');
});

test('an autopoll is one line, with what it found and what is wrong below it', () => {
  const [line, ...below] = workerText(workerReport(WORKER));
  expect(line).toMatch(
    /^autopoll 7: heard of .+ ago; last pass of the reaper .+ ago, found in all 2 expired, 1 gone, 0 failed$/,
  );
  expect(below).toEqual([
    '  parked: slow usage limit until noon, 3 questions wait',
    '  severe: 12 MiB are free where the bus is',
  ]);
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
    { parks: 7, warnings: [null, { message: '\u001b[2Jx', severity: 3 }], found_total: null },
  ];
  for (const state of states) {
    const text = workerText(workerReport({ ...WORKER, state })).join('\n');
    expect(text).toMatch(/^autopoll /);
    expect(text).not.toContain('\u001b');
  }
});

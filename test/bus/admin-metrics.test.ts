import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { HIGH_ID, LOW_ID } from '../../src/bus/admin/daily.js';
import {
  DAY_US,
  dayOf,
  daysBetween,
  daysWithout,
  forgetOld,
  listDaily,
  rollUp,
  selectAside,
  startOfDayUs,
} from '../../src/bus/index.js';
import { TempBus, TestClock } from '../support/temp-bus.js';

const NEVER = new AbortController().signal;
const DAY = '2026-11-19';

interface Turn {
  readonly conversation: string;
  readonly engine: string;
  readonly outcome: 'complete' | 'failed' | 'dead' | 'retried';
  readonly code?: string | undefined;
  /** Milliseconds; undefined when no session took the question up. */
  readonly turnMs: number | undefined;
  readonly endedAtUs: number;
}

/** Writes finished turns as the bus keeps them, one question each. */
function write(temp: TempBus, turns: readonly Turn[], firstId = 1): void {
  const done = temp.peer.prepare(
    `INSERT INTO warmline_done VALUES (:id, 'b', :conversation, :outcome, NULL, 1, :code, :seen,
       :claimed, :ended, :engine, :started, NULL, 10, 20)`,
  );
  const attempt = temp.peer.prepare(
    `INSERT INTO warmline_attempts (question_id, attempt, session, conversation_id, outcome,
       error_code, engine, seen_at_us, claimed_at_us, started_at_us, finished_at_us, input_tokens,
       output_tokens)
     VALUES (:id, 1, 'b', :conversation, :outcome, :code, :engine, :seen, :claimed, :started,
       :ended, 10, 20)`,
  );
  temp.peer.transaction(() => {
    for (const [index, turn] of turns.entries()) {
      const { endedAtUs: ended, turnMs, conversation, engine, outcome, code = null } = turn;
      const claimed = ended - (turnMs ?? 0) * 1000;
      const started = turnMs === undefined ? null : claimed;
      const row = { id: firstId + index, conversation, engine, outcome, code, ended, claimed };
      (outcome === 'retried' ? attempt : done).run({ ...row, started, seen: claimed });
    }
  })();
}

/** The smallest value that so many of a hundred do not exceed. */
function nearestRank(values: readonly number[], percent: number): number | null {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] ?? null;
}

test('the figures of a day are those that counting every turn gives', async () => {
  const turn = fc.record({
    conversation: fc.constantFrom('conv_1', 'conv_2'),
    engine: fc.constantFrom('claude', 'extract'),
    outcome: fc.constantFrom(
      'complete' as const,
      'complete' as const,
      'dead' as const,
      'retried' as const,
    ),
    code: fc.constantFrom('timeout', 'engine_error'),
    turnMs: fc.option(fc.integer({ min: 0, max: 600_000 }), { nil: undefined }),
    endedAtUs: fc
      .integer({ min: 0, max: 2 * DAY_US })
      .map((us) => startOfDayUs(DAY) - DAY_US / 2 + us),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 1, maxLength: 300 }), async (drawn) => {
      const temp = new TempBus();
      const bus = temp.open();
      // Questions are seen in the order of their ids.
      const turns = drawn
        .map((each) => (each.outcome === 'complete' ? { ...each, code: undefined } : each))
        .sort((one, other) => seenAt(one) - seenAt(other));
      write(temp, turns);
      await rollUp(bus, [DAY], NEVER);
      const ofDay = turns.filter(
        (each) => dayOf(each.endedAtUs) === DAY && each.turnMs !== undefined,
      );
      const groups = ['conv_1', 'conv_2'].flatMap((conversation) =>
        ['claude', 'extract'].map((engine) => ({
          conversation,
          engine,
          group: ofDay.filter(
            (each) => each.conversation === conversation && each.engine === engine,
          ),
        })),
      );
      const known = groups.filter(({ group }) => group.length > 0);
      const expected = known.map(({ conversation, engine, group }) => {
        const complete = group.filter(({ outcome }) => outcome === 'complete').length;
        const timed = group
          .filter(({ outcome, code }) => outcome === 'complete' || code === 'timeout')
          .map(({ turnMs }) => turnMs ?? 0);
        const mean = timed.reduce((sum, ms) => sum + ms, 0) / timed.length;
        return {
          day: DAY,
          conversationId: conversation,
          engine,
          samples: group.length,
          complete,
          failed: group.length - complete,
          p50Ms: nearestRank(timed, 50),
          p95Ms: nearestRank(timed, 95),
          p99Ms: nearestRank(timed, 99),
          maxMs: nearestRank(timed, 100),
          meanMs: timed.length === 0 ? null : expect.closeTo(mean, 6),
          inputTokens: group.length * 10,
          outputTokens: group.length * 20,
        };
      });
      expect(listDaily(bus, { first: DAY, last: DAY })).toEqual(expected);
    }),
    { numRuns: 15 },
  );
}, 60_000);

function seenAt({ endedAtUs, turnMs }: Turn): number {
  return endedAtUs - (turnMs ?? 0) * 1000;
}

const answered = (at: string, turnMs = 1000, conversation = 'conv_1'): Turn => ({
  conversation,
  engine: 'claude',
  outcome: 'complete',
  turnMs,
  endedAtUs: Date.parse(`${at}Z`) * 1000,
});

test('days whose figures were lost are found and filled again', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  write(temp, [
    answered('2026-11-16T12:00:00'),
    answered('2026-11-17T23:59:59.999'),
    answered('2026-11-18T00:00:01'),
    answered('2026-11-20T12:00:00'),
  ]);
  const all = daysBetween('2026-11-16', '2026-11-20');
  expect(daysWithout(bus, '2026-11-19', 400)).toEqual(all.slice(0, 3));
  await rollUp(bus, all, NEVER);
  expect(daysWithout(bus, '2026-11-19', 400)).toEqual([]);
  const whole = listDaily(bus, { first: '2026-01-01', last: '2026-12-31' });
  expect(whole.map(({ day, samples }) => [day, samples])).toEqual([
    ['2026-11-16', 1],
    ['2026-11-17', 1],
    ['2026-11-18', 1],
    ['2026-11-20', 1],
  ]);
  temp.peer.exec(`DELETE FROM warmline_daily WHERE day IN ('2026-11-16', '2026-11-17')`);
  await rollUp(bus, daysWithout(bus, '2026-11-19', 400), NEVER);
  expect(listDaily(bus, { first: '2026-01-01', last: '2026-12-31' })).toEqual(whole);
});

test('figures that have not changed are not written again', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  write(temp, [answered(`${DAY}T12:00:00`)]);
  expect(await rollUp(bus, [DAY], NEVER)).toBe(1);
  const version = temp.peer.pragma('data_version', { simple: true });
  expect(await rollUp(bus, [DAY], NEVER)).toBe(0);
  expect(temp.peer.pragma('data_version', { simple: true })).toBe(version);
  write(temp, [answered(`${DAY}T13:00:00`)], 2);
  expect(await rollUp(bus, [DAY], NEVER)).toBe(1);
  expect(listDaily(bus, { first: DAY, last: DAY })).toMatchObject([{ samples: 2 }]);
});

test('only the questions that a time may concern are read, also behind a long history', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const old = Array.from({ length: 500 }, () => answered('2026-10-01T12:00:00'));
  write(temp, [...old, answered(`${DAY}T12:00:00`), answered('2026-11-25T12:00:00')]);
  const ids = bus.read((db) =>
    db.prepare(`SELECT ${LOW_ID} AS low, ${HIGH_ID} AS high`).get({
      session: 'b',
      fromUs: startOfDayUs(DAY),
      untilUs: startOfDayUs(DAY) + DAY_US,
    }),
  );
  expect(ids).toEqual({ low: 501, high: 502 });
});

test('an attempt at a question that is not finished yet counts on its day', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  write(temp, [answered('2026-10-01T12:00:00')]);
  write(temp, [{ ...answered(`${DAY}T12:00:00`), outcome: 'retried', code: 'timeout' }], 7);
  await rollUp(bus, [DAY], NEVER);
  expect(listDaily(bus, { first: DAY, last: DAY })).toMatchObject([{ samples: 1, failed: 1 }]);
});

test('a reading aside that is called off ends at once, and a file that cannot be read is named', async () => {
  const temp = new TempBus();
  const stop = new AbortController();
  const endless = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n`;
  const reading = selectAside(temp.file, [{ sql: endless, values: {} }], stop.signal);
  stop.abort();
  await expect(reading).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  const nowhere = `${temp.file}-nowhere`;
  await expect(selectAside(nowhere, [], NEVER)).rejects.toThrow(/bus\.db-nowhere .*SqliteError/);
});

test('a reading aside cannot write', async () => {
  const temp = new TempBus();
  const remove = { sql: `DELETE FROM warmline_meta RETURNING key`, values: {} };
  await expect(selectAside(temp.file, [remove], NEVER)).rejects.toThrow(/readonly/);
});

test('old questions are forgotten with their attempts; what somebody waits for or asks again stays', async () => {
  const clock = new TestClock();
  const temp = new TempBus();
  const bus = temp.open({ clock });
  const nowUs = clock.wallUs();
  const at = (daysAgo: number) =>
    new Date((nowUs - daysAgo * DAY_US) / 1000).toISOString().slice(0, -1);
  const many = Array.from({ length: 450 }, () => answered(at(95)));
  write(temp, [...many, answered(at(91)), answered(at(91)), answered(at(91)), answered(at(89))]);
  write(temp, [{ ...answered(at(95)), outcome: 'retried' }], 5);
  const [parent, redriven, again] = [451, 452, 900];
  temp.peer.prepare('INSERT INTO warmline_depends VALUES (800, ?)').run(parent);
  temp.peer.prepare('INSERT INTO warmline_redrives VALUES (?, ?)').run(redriven, again);
  temp.peer
    .prepare('INSERT INTO warmline_work (question_id, priority, seen_at_us) VALUES (?, 0, 0)')
    .run(again);

  const kept = () =>
    temp.peer.prepare('SELECT question_id FROM warmline_done ORDER BY 1').pluck().all();
  expect(await forgetOld(bus, nowUs, 90, NEVER)).toEqual({ questions: 451, figures: 0 });
  expect(kept()).toEqual([parent, redriven, 454]);
  expect(bus.attemptsOf(5)).toEqual([]);

  temp.peer.exec('DELETE FROM warmline_depends; DELETE FROM warmline_work');
  expect(await forgetOld(bus, nowUs, 90, NEVER)).toEqual({ questions: 2, figures: 0 });
  expect(kept()).toEqual([454]);
  expect(temp.peer.prepare('SELECT count(*) FROM warmline_redrives').pluck().get()).toBe(0);
  const version = temp.peer.pragma('data_version', { simple: true });
  await forgetOld(bus, nowUs, 90, NEVER);
  expect(temp.peer.pragma('data_version', { simple: true })).toBe(version);
});

test('the figures of a day outlive its questions, for four hundred days', async () => {
  const clock = new TestClock();
  const temp = new TempBus();
  const bus = temp.open({ clock });
  const nowUs = clock.wallUs();
  write(temp, [answered('2026-01-01T12:00:00')]);
  await rollUp(bus, ['2026-01-01'], NEVER);
  temp.peer.exec(
    `INSERT INTO warmline_daily SELECT '2025-01-01', session, conversation_id, engine, samples,
       complete, failed, p50_ms, p95_ms, p99_ms, max_ms, mean_ms, 0, 0, 0 FROM warmline_daily`,
  );
  expect(await forgetOld(bus, nowUs, 90, NEVER)).toEqual({ questions: 1, figures: 1 });
  const days = listDaily(bus, { first: '2025-01-01', last: '2026-12-31' }).map(({ day }) => day);
  expect(days).toEqual(['2026-01-01']);
});

test('forgetting ends when it is called off', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  write(
    temp,
    Array.from({ length: 450 }, () => answered('2020-01-01T12:00:00')),
  );
  const forgetting = forgetOld(bus, Date.parse('2026-11-20') * 1000, 90, stop.signal);
  stop.abort();
  await expect(forgetting).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
  const left = temp.peer.prepare('SELECT count(*) FROM warmline_done').pluck().get();
  expect(left).toBeGreaterThanOrEqual(250);
});

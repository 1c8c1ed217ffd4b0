import { expect, onTestFinished, test } from 'vitest';
import { type FigureSettings, Figures } from '../../clients/autopoll/figures.js';
import {
  changeTimeouts,
  DAY_US,
  dayOf,
  listDaily,
  readTimeouts,
  type SqliteBus,
} from '../../src/bus/index.js';
import { createLogger } from '../../src/log.js';
import { TempBus, TestClock } from '../support/temp-bus.js';

const BOUNDS = { floorMs: 1_000, ceilingMs: 60_000 };
const CONVERSATION = 'conv_0123456789abcdef';

interface Kept {
  readonly temp: TempBus;
  readonly bus: SqliteBus;
  readonly clock: TestClock;
  /** How often it was told that time-outs are others now. */
  told(): number;
  keep(settings?: Partial<FigureSettings>): Figures;
  /** Writes turns of so many milliseconds that ended so many days ago. */
  turns(daysAgo: number, turnMs: number, count: number): void;
}

function kept(): Kept {
  const clock = new TestClock();
  const temp = new TempBus();
  const bus = temp.open({ clock });
  let lastId = 0;
  let told = 0;
  return {
    temp,
    bus,
    clock,
    told: () => told,
    keep: (settings) => {
      const figures = new Figures({
        bus,
        clock,
        log: createLogger({ level: 'silent' }),
        settings: { retentionDays: 90, adaptive: undefined, ...settings },
        onTimeoutsChanged: () => {
          told += 1;
        },
      });
      onTestFinished(() => figures.stop());
      return figures;
    },
    turns: (daysAgo, turnMs, count) => {
      const ended = clock.wallUs() - daysAgo * DAY_US;
      const began = ended - turnMs * 1000;
      const done = temp.peer.prepare(
        `INSERT INTO warmline_done (question_id, session, conversation_id, outcome, attempts,
           seen_at_us, claimed_at_us, started_at_us, completed_at_us, engine)
         VALUES (?, 'b', ?, 'complete', 1, ?, ?, ?, ?, 'claude')`,
      );
      for (let number = 0; number < count; number += 1) {
        lastId += 1;
        done.run(lastId, CONVERSATION, began, began, began, ended);
      }
    },
  };
}

const days = (bus: SqliteBus) =>
  listDaily(bus, { first: '2020-01-01', last: '2030-01-01' }).map(({ day, samples }) => [
    day,
    samples,
  ]);

test('figures that were lost are there again after the first pass, and those of today after each', async () => {
  const { bus, clock, temp, keep, turns } = kept();
  const ago = (count: number) => dayOf(clock.wallUs() - count * DAY_US);
  turns(30, 100, 2);
  turns(3, 100, 3);
  turns(0, 100, 1);
  const figures = keep();
  await figures.pass();
  const whole = [
    [ago(30), 2],
    [ago(3), 3],
    [ago(0), 1],
  ];
  expect(days(bus)).toEqual(whole);
  turns(0, 100, 1);
  await figures.pass();
  expect(days(bus).at(-1)).toEqual([ago(0), 2]);

  temp.peer.exec('DELETE FROM warmline_daily');
  await keep().pass();
  expect(days(bus)).toEqual([...whole.slice(0, -1), [ago(0), 2]]);
});

test('a pass on a bus where nothing happened writes nothing', async () => {
  const { temp, keep, turns } = kept();
  turns(1, 100, 3);
  const figures = keep({ adaptive: BOUNDS });
  await figures.pass();
  const version = temp.peer.pragma('data_version', { simple: true });
  await figures.pass();
  expect(temp.peer.pragma('data_version', { simple: true })).toBe(version);
});

test('what is older than it is to be kept is forgotten, after its figures were taken', async () => {
  const { bus, temp, keep, turns } = kept();
  turns(95, 100, 4);
  turns(1, 100, 1);
  await keep().pass();
  expect(temp.peer.prepare('SELECT count(*) FROM warmline_done').pluck().get()).toBe(1);
  expect(days(bus).map(([, samples]) => samples)).toEqual([4, 1]);
});

test('clocks are learned only when asked for, from enough turns, and unlearned when not', async () => {
  const { bus, told, keep, turns } = kept();
  const rows = () => bus.read((db) => readTimeouts(db, 'b').rows);
  turns(9, 50_000, 100);
  turns(2, 4_000, 19);
  await keep().pass();
  await keep({ adaptive: BOUNDS }).pass();
  expect(rows()).toEqual([]);
  turns(1, 4_000, 1);
  await keep({ adaptive: BOUNDS }).pass();
  const learned = { conversationId: CONVERSATION, engine: 'claude', timeoutMs: 6_000 };
  expect(rows()).toEqual([{ ...learned, source: 'adaptive' }]);
  expect(told()).toBe(1);
  await keep().pass();
  expect(rows()).toEqual([]);
  expect(told()).toBe(2);
});

test('what a person set is not learned over', async () => {
  const { bus, told, keep, turns } = kept();
  turns(1, 4_000, 30);
  await changeTimeouts(bus, [{ conversationId: '', engine: 'claude', timeoutMs: 9 }], 'set');
  await keep({ adaptive: BOUNDS }).pass();
  expect(bus.read((db) => readTimeouts(db, 'b').rows)).toHaveLength(1);
  expect(told()).toBe(0);
});

test('a stop ends a pass under way, and a pass on a closed bus harms nobody', async () => {
  const { bus, keep, turns } = kept();
  turns(1, 100, 3);
  const figures = keep();
  const passing = figures.pass();
  await figures.stop();
  await passing;
  expect(days(bus)).toEqual([]);
  const late = keep();
  await bus.close();
  await late.pass();
});

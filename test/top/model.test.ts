/** The view's model and its screen, whatever happens in whatever order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plain, widthOf } from '../../clients/top/cells.js';
import type { BusState } from '../../clients/top/facts.js';
import { parseFilter } from '../../clients/top/filter.js';
import {
  chosen,
  type Effect,
  type Event,
  initialModel,
  type Key,
  type Model,
  reduce,
} from '../../clients/top/model.js';
import { view, wholeView } from '../../clients/top/view.js';
import { busState, event, key, NOW_US } from './facts.js';

const START = initialModel({ columns: 80, rows: 24 });

function play(events: readonly Event[], from: Model = START) {
  let model = from;
  const effects: Effect[] = [];
  for (const each of events) {
    const [next, done] = reduce(model, each);
    model = next;
    effects.push(...done);
  }
  return { model, effects };
}

const pressed = (...keys: (Key['key'] | { char: string })[]): Event[] =>
  keys.map((each) => ({
    type: 'key',
    key: typeof each === 'object' ? { key: 'char', ...each } : ({ key: each } as Key),
  }));

test('the screen is filled exactly, and nothing on it steers the terminal', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const { model } = play(events);
      const lines = view(model, '/tmp/bus\u001b.db', NOW_US);
      expect(lines).toHaveLength(model.size.rows);
      for (const line of lines) {
        const text = line.map((span) => span.text).join('');
        expect(widthOf(text)).toBeLessThanOrEqual(model.size.columns);
        expect(text).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
      }
    }),
  );
});

test('a frame for no terminal has all lists, each within its width', () => {
  fc.assert(
    fc.property(busState, fc.integer({ min: 20, max: 250 }), (bus, columns) => {
      const { model } = play([{ type: 'bus', bus }]);
      const lines = wholeView({ ...model, size: { columns, rows: 0 } }, 'bus.db', NOW_US);
      for (const line of lines) expect(widthOf(plain(line))).toBeLessThanOrEqual(columns);
      const facts = bus.at === 'opening' ? undefined : bus.facts;
      const titles = lines.map(plain);
      expect(titles.includes('Questions')).toBe((facts?.questions.length ?? 0) > 0);
      expect(titles.includes('Conversations')).toBe(
        (facts?.overview.conversations.length ?? 0) > 0,
      );
    }),
  );
});

test('whatever is pressed, only y after c cancels, and only r retries', () => {
  fc.assert(
    fc.property(busState, fc.array(key, { maxLength: 40 }), (bus, keys) => {
      let { model } = play([{ type: 'bus', bus }]);
      let before: Key | undefined;
      for (const each of keys) {
        const [next, effects] = reduce(model, { type: 'key', key: each });
        const char = each.key === 'char' ? each.char : '';
        for (const effect of effects) {
          if (effect.do === 'cancel') {
            expect(char.toLowerCase()).toBe('y');
            expect(before).toEqual({ key: 'char', char: 'c' });
          }
          if (effect.do === 'retry') expect(char).toBe('r');
        }
        model = next;
        before = each;
      }
    }),
  );
});

test('the chosen row is always one of the rows', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const { index, entries } = chosen(play(events).model);
      expect(index).toBeGreaterThanOrEqual(0);
      expect(index).toBeLessThan(Math.max(1, entries.length));
    }),
  );
});

test('a row stays chosen while others come and go', () => {
  fc.assert(
    fc.property(busState, busState, fc.nat(40), (first, second, downs) => {
      const moved = play([{ type: 'bus', bus: first }, ...pressed(...Array(downs).fill('down'))]);
      const { index, entries } = chosen(moved.model);
      const after = chosen(play([{ type: 'bus', bus: second }], moved.model).model);
      const id = moved.model.choices.questions ? entries[index]?.messageId : undefined;
      const isThere = after.entries.some(({ messageId }) => messageId === id);
      if (id !== undefined && isThere) expect(after.entries[after.index]?.messageId).toBe(id);
    }),
  );
});

test('q and escape always lead out, and ctrl-c at once', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      const { model } = play(events);
      expect(play(pressed('quit'), model).effects).toEqual([{ do: 'quit' }]);
      const out = play(pressed('escape', 'escape', { char: 'q' }), model).effects;
      expect(out).toContainEqual({ do: 'quit' });
    }),
  );
});

test('a text is scrolled line by line, from its first to its last and back', () => {
  const text = ['Question 1', ...Array.from({ length: 100 }, (_, line) => `line ${line}`)].join(
    '\n',
  );
  const bus: BusState = { at: 'lost', why: 'gone', facts: undefined };
  const details = { messageId: 1, text, scroll: 0 };
  const reading: Model = { ...START, bus, mode: { at: 'details', details } };
  const rowsAfter = (...keys: Key['key'][]) =>
    view(play(pressed(...keys), reading).model, 'bus.db', NOW_US).map(plain);
  expect(rowsAfter()).toContain('line 0');
  expect(rowsAfter('up')).toContain('line 0');
  expect(rowsAfter('end')).toContain('line 99');
  expect(rowsAfter('end', 'down', 'down', 'up')).not.toContain('line 99');
  expect(rowsAfter('end', 'down', 'down', 'up')).toContain('line 98');
  expect(rowsAfter('end', 'home')).toContain('line 0');
});

test('every key without a meaning changes nothing but the notice', () => {
  const { model, effects } = play(pressed({ char: 'x' }, { char: ' ' }, 'backspace'));
  expect({ model, effects }).toEqual({ model: START, effects: [] });
  const told = play([{ type: 'told', notice: 'done' }]).model;
  expect(play(pressed({ char: 'x' }), told).model).toEqual(START);
});

test('a filter names statuses, a conversation and words of the question', () => {
  expect(parseFilter('  Errors conv_0123456789abcdef Light  house pending')).toEqual({
    asked: {
      statuses: ['failed', 'timeout', 'cancelled', 'dead', 'pending'],
      conversation: 'conv_0123456789abcdef',
    },
    words: ['light', 'house'],
  });
  expect(parseFilter('constructor __proto__')).toEqual({
    asked: {},
    words: ['constructor', '__proto__'],
  });
  expect(parseFilter('')).toEqual({ asked: {}, words: [] });
});

test('details of a question that is looked at no more are not shown', () => {
  const { model } = play([{ type: 'described', messageId: 3, text: 'late' }]);
  expect(model).toEqual(START);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fault } from '../../src/errors.js';
import { next, type SessionEvent, type SessionState } from '../../src/sessions/states.js';

const why = fault('timeout', 'too slow');
const nowMs = 5;

type State = SessionState<string>;
const states: State[] = [
  { at: 'opening', sinceMs: 1 },
  { at: 'ready', sinceMs: 1 },
  { at: 'busy', turn: 'a turn' },
  { at: 'stopping', turn: 'a turn', why, sinceMs: 1 },
  { at: 'resetting', sinceMs: 1 },
  { at: 'closing', sinceMs: 1, owed: undefined },
  { at: 'closed' },
];
const events: SessionEvent<string>[] = [
  { type: 'opened', nowMs },
  { type: 'started', turn: 'another turn' },
  { type: 'stop', why, nowMs },
  { type: 'settled', keepsContext: false, nowMs },
  { type: 'forget', nowMs },
  { type: 'reset', nowMs },
  { type: 'end', why, nowMs },
  { type: 'ended' },
];

test('each state moves on the events that have a meaning in it and on no others', () => {
  const moves = states.map((state) => [
    state.at,
    events.filter((event) => next(state, event) !== state).map(({ type }) => type),
  ]);
  expect(Object.fromEntries(moves)).toEqual({
    opening: ['opened', 'end'],
    ready: ['started', 'forget', 'end'],
    busy: ['stop', 'settled', 'end'],
    stopping: ['settled', 'end'],
    resetting: ['reset', 'end'],
    closing: ['ended'],
    closed: [],
  });
});

test('a fresh turn is forgotten before the session is ready again, a sticky one is kept', () => {
  const busy: State = { at: 'busy', turn: 'a turn' };
  expect(next(busy, { type: 'settled', keepsContext: false, nowMs }).at).toBe('resetting');
  expect(next(busy, { type: 'settled', keepsContext: true, nowMs }).at).toBe('ready');
});

test('a turn cut off by the end of its session is owed the reason it already had', () => {
  const end = { type: 'end', why: fault('engine_error', 'it died'), nowMs } as const;
  const stopping: State = { at: 'stopping', turn: 'a turn', why, sinceMs: 1 };
  expect(next(stopping, end)).toMatchObject({ owed: { turn: 'a turn', why } });
  expect(next({ at: 'busy', turn: 'a turn' }, end)).toMatchObject({ owed: { why: end.why } });
  expect(next({ at: 'ready', sinceMs: 1 }, end)).toMatchObject({ owed: undefined });
});

test('in any order of events a turn is never lost and never replaced by another', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events)), (sequence) => {
      let state: State = { at: 'opening', sinceMs: 0 };
      for (const event of sequence) {
        const before: State = state;
        state = next(before, event);
        const held = turnOf(before);
        if (held === undefined || state === before) continue;
        const isOver = event.type === 'settled' || event.type === 'ended';
        expect(turnOf(state)).toBe(isOver ? undefined : held);
      }
    }),
  );
});

function turnOf(state: State): string | undefined {
  if (state.at === 'busy' || state.at === 'stopping') return state.turn;
  return state.at === 'closing' ? state.owed?.turn : undefined;
}

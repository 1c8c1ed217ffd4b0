/** Made-up facts for the pure parts of the view. */
import fc from 'fast-check';
import { readReport } from '../../clients/top/bridge-report.js';
import type { BridgeState, BusFacts, BusState } from '../../clients/top/facts.js';
import type { Event, Key } from '../../clients/top/model.js';
import type { ListedQuestion } from '../../src/bus/index.js';
import { LISTED_STATUSES } from '../../src/bus/index.js';

export const NOW_US = Date.UTC(2026, 10, 21, 12) * 1000;

/** Also what nobody means well: control characters, wide ones, halves of pairs. */
const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constantFrom(
    '漢字'.repeat(60),
    '👩‍👩‍👧'.repeat(20),
    '\u001b[2J',
    'a\tb\r\nc',
    '\ud800',
    '‮abc',
  ),
);
const ms = fc.oneof(fc.integer({ min: 0, max: 1e12 }), fc.constant(0));
const us = ms.map((each) => NOW_US - each * 1000 + 1e9);
const count = fc.integer({ min: 0, max: 1e9 });
const conversationId = fc.constantFrom('conv_0123456789abcdef', 'conv_fedcba9876543210');

const question: fc.Arbitrary<ListedQuestion> = fc.record({
  messageId: fc.integer({ min: 1, max: 50 }),
  conversationId,
  status: fc.constantFrom(...LISTED_STATUSES),
  question: fc.option(text, { nil: undefined }),
  askedAt: fc.constant('2026-11-21T11:59:00.000000'),
  seenAtUs: fc.option(us, { nil: undefined }),
  finishedAtUs: fc.option(us, { nil: undefined }),
  attempts: count,
  errorCode: fc.option(text, { nil: undefined }),
  engine: fc.option(text, { nil: undefined }),
  ageMs: ms,
  source: fc.option(text, { nil: undefined }),
  target: fc.option(text, { nil: undefined }),
});

const counts = fc.record({
  pending: count,
  leased: count,
  delayed: count,
  waiting: count,
  expired: count,
  complete: count,
  failed: count,
  dead: count,
  ignored: count,
  orphaned: count,
  stale: count,
  oldestPendingMs: ms,
});

const overview: fc.Arbitrary<BusFacts['overview']> = fc.record({
  takenAtUs: us,
  stats: counts,
  parks: fc.array(
    fc.record({
      engine: text,
      code: text,
      sinceUs: us,
      untilUs: fc.option(us, { nil: undefined }),
    }),
    { maxLength: 3 },
  ),
  workers: fc.array(
    fc.record({
      owner: text,
      session: fc.constant('b'),
      startedAtUs: us,
      seenAtUs: us,
      gone: fc.boolean(),
      state: fc.record({
        warnings: fc.oneof(
          fc.anything(),
          fc.array(
            fc.oneof(
              fc.anything(),
              fc.record({ kind: text, subject: text, severity: text, message: text, age_ms: ms }),
            ),
            { maxLength: 3 },
          ),
        ),
      }),
    }),
    { maxLength: 3 },
  ),
  conversations: fc.array(
    fc.record({
      conversationId,
      state: fc.constantFrom('pending', 'processing', 'delayed', 'waiting', 'expired'),
      unfinished: count,
      oldestId: count,
      oldestSeenAtUs: us,
    }),
    { maxLength: 5 },
  ),
  recent: fc.record({
    perMinute: count,
    totalMs: fc.option(fc.record({ p50: ms, p95: ms, p99: ms }), { nil: undefined }),
  }),
});

const facts: fc.Arbitrary<BusFacts> = fc.record({
  overview,
  questions: fc
    .uniqueArray(question, { selector: ({ messageId }) => messageId, maxLength: 30 })
    .map((all) => all.toSorted((one, other) => other.messageId - one.messageId)),
  isCut: fc.boolean(),
});

export const busState: fc.Arbitrary<BusState> = fc.oneof(
  fc.constant<BusState>({ at: 'opening' }),
  facts.map((each): BusState => ({ at: 'open', facts: each })),
  fc.record({
    at: fc.constant('lost' as const),
    why: text,
    facts: fc.option(facts, { nil: undefined }),
  }),
);

/** What a bridge of any version may send, and what none would. */
const report = fc.oneof(
  fc.dictionary(fc.constantFrom('status', 'engines', 'sessions', 'bridge'), fc.anything()),
  fc.record({
    status: text,
    engines: fc.array(fc.record({ engine: text, state: text, retry_at_ms: ms }), { maxLength: 3 }),
    sessions: fc.array(fc.record({ session: text, engine: text, state: text }), { maxLength: 3 }),
  }),
);

export const bridgeState: fc.Arbitrary<BridgeState> = fc.oneof(
  fc.constant<BridgeState>({ at: 'connecting' }),
  fc.record({ at: fc.constant('down' as const), why: text }),
  fc.tuple(report, us).map(([given, takenAtUs]): BridgeState => {
    const wire = { type: 'health', ...given } as never;
    return { at: 'up', report: readReport(wire, wire, wire, takenAtUs) };
  }),
);

const NAMED = [
  ...['up', 'down', 'pageUp', 'pageDown', 'home', 'end', 'enter', 'escape', 'tab', 'backTab'],
  ...['left', 'right', 'backspace', 'quit', 'suspend'],
] as Exclude<Key['key'], 'char'>[];

export const key: fc.Arbitrary<Key> = fc.oneof(
  fc.constantFrom(...NAMED).map((each) => ({ key: each })),
  fc.constantFrom(...'cryYq/?jkn x').map((char) => ({ key: 'char' as const, char })),
);

export const size = fc.record({
  columns: fc.integer({ min: 1, max: 250 }),
  rows: fc.integer({ min: 1, max: 80 }),
});

export const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 8, arbitrary: key.map((each): Event => ({ type: 'key', key: each })) },
  busState.map((bus): Event => ({ type: 'bus', bus })),
  bridgeState.map((bridge): Event => ({ type: 'bridge', bridge })),
  size.map((each): Event => ({ type: 'size', size: each })),
  fc.record({
    type: fc.constant('described' as const),
    messageId: fc.integer({ min: 1, max: 50 }),
    text: fc.array(text, { maxLength: 30 }).map((lines) => lines.join('\n')),
  }),
  text.map((notice): Event => ({ type: 'told', notice })),
);

/** Idempotency by request id, cancelling and going away. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { settled } from '../support/fake-clock.js';
import { type Heard, startBridge } from './harness.js';

const query = { question: '!fake delay=100 Why?', requestId: 'r' };

test('the same request id joins the query that runs', async () => {
  const { clock, bridge, ask } = await startBridge();
  const first = ask(query);
  await clock.advance(50);
  const second = ask({ ...query, priority: 7, timeoutMs: 5_000 });
  await clock.advance(50);
  expect(first.reply).toMatchObject({ answer: 'fake: Why?', requestId: 'r' });
  expect(second.reply).toEqual(first.reply);
  expect(bridge.stats()).toMatchObject({ joined: 1, engines: { fake: { turns: 1 } } });
});

test('who joins in the middle of a stream still gets the whole text', async () => {
  const { clock, ask } = await startBridge();
  const question = '!fake deltas=8 delay=100 How long is a piece of string?';
  ask({ question, requestId: 'r' });
  await clock.advance(60);
  const late = ask({ question, requestId: 'r' });
  expect(late.text).not.toBe('');
  await clock.advance(60);
  expect(late.text).toBe(late.reply?.answer);
});

test('who joins a query that waits learns its position', async () => {
  const { clock, ask } = await startBridge({ limits: { size: 1 } });
  ask('!fake silent');
  ask(query);
  await clock.advance(50);
  expect(ask(query).positions).toEqual([1]);
});

test('the same request id gets the stored reply afterwards, until it is too old', async () => {
  const { clock, bridge, ask } = await startBridge({ options: { replays: { ttlMs: 60_000 } } });
  const first = ask(query);
  await clock.advance(1_000);
  const again = ask(query);
  await settled();
  expect(again.reply).toEqual(first.reply);
  expect(again.text).toBe('fake: Why?');
  expect(bridge.stats()).toMatchObject({ replayed: 1, engines: { fake: { turns: 1 } } });

  await clock.advance(60_000);
  ask(query);
  await clock.advance(1_000);
  expect(bridge.stats()).toMatchObject({ engines: { fake: { turns: 2 } } });
});

test('the same request id with another question, context, session or model is a conflict', async () => {
  const { clock, ask } = await startBridge();
  const others = [
    { question: 'Who?' },
    { contextFile: 'other.md' },
    { session: 'k' },
    { model: 'another' },
  ];
  const conflicts = () => others.map((other) => ask({ ...query, ...other }));
  ask(query);
  const whileItRuns = conflicts();
  await clock.advance(1_000);
  const afterwards = conflicts();
  await settled();
  for (const heard of [...whileItRuns, ...afterwards]) {
    expect(heard.error).toMatchObject({ code: 'conflict', retryable: false });
  }
});

test('a failure that asking again may cure is not stored, one that it cannot cure is', async () => {
  const { clock, bridge, ask } = await startBridge();
  const fails = async (code: string) => {
    const question = `!fake error=${code}`;
    for (let round = 0; round < 2; round += 1) {
      ask({ question, requestId: code });
      await clock.advance(1_000);
    }
  };
  await fails('engine_error');
  expect(bridge.stats()).toMatchObject({ replayed: 0 });
  await fails('context_missing');
  expect(bridge.stats()).toMatchObject({ replayed: 1 });
});

test('what is stored stays within its bounds', async () => {
  const { clock, bridge, ask } = await startBridge({
    limits: { queueLimit: 10_000 },
    options: { replays: { maxEntries: 1_000, maxChars: 100_000 } },
  });
  for (let index = 0; index < 500; index += 1) {
    ask({ question: `!fake size=1000 ${index}`, requestId: `r${index}` });
  }
  await clock.advance(1_000);
  const { stored_replies } = bridge.stats() as { stored_replies: number };
  expect(stored_replies).toBeGreaterThan(50);
  expect(stored_replies).toBeLessThan(100);
});

test('cancelling leaves the query to those who joined it, and stops it when nobody is left', async () => {
  const { clock, bridge, ask } = await startBridge();
  const first = ask(query);
  const second = ask(query);
  first.ticket?.cancel();
  await clock.advance(100);
  expect(first.error).toMatchObject({ code: 'cancelled' });
  expect(second.reply?.answer).toBe('fake: Why?');

  const [third, fourth] = [
    { ...query, requestId: 's' },
    { ...query, requestId: 's' },
  ].map(ask);
  third?.ticket?.cancel();
  fourth?.ticket?.cancel();
  await clock.advance(20);
  expect(third?.error).toMatchObject({ code: 'cancelled' });
  expect(fourth?.error).toMatchObject({ code: 'cancelled' });
  expect(bridge.stats()).toMatchObject({ in_flight: 0 });
});

test('a cancelled query is asked anew by its request id, also while it still stops', async () => {
  const { clock, ask } = await startBridge();
  const cancelled = ask({ question: '!fake late=100 Why?', requestId: 'r' });
  cancelled.ticket?.cancel();
  const anew = ask({ question: '!fake late=100 Why?', requestId: 'r' });
  await clock.advance(300);
  expect(cancelled.error).toMatchObject({ code: 'cancelled' });
  expect(anew.outcomes).toEqual([]);
  anew.ticket?.cancel();
  await clock.advance(300);
  const once = ask({ question: 'Why?', requestId: 'r' });
  await settled();
  expect(once.reply?.answer).toBe('fake: Why?');
});

test('who went away hears nothing, and its work is kept for the request id', async () => {
  const { clock, bridge, ask } = await startBridge();
  const gone = ask(query);
  gone.ticket?.detach();
  const other = ask(query);
  other.ticket?.cancel();
  await clock.advance(1_000);
  expect(gone.outcomes).toEqual([]);
  const back = ask(query);
  await settled();
  expect(back.reply?.answer).toBe('fake: Why?');
  expect(bridge.stats()).toMatchObject({ engines: { fake: { turns: 1 } } });
});

test('a ticket used twice or after the end does nothing', async () => {
  const { clock, ask } = await startBridge();
  const heard = ask(query);
  await clock.advance(100);
  heard.ticket?.cancel();
  heard.ticket?.detach();
  heard.ticket?.cancel();
  const replayed = ask(query);
  replayed.ticket?.cancel();
  await settled();
  expect(heard.outcomes).toHaveLength(1);
  expect(replayed.reply?.answer).toBe('fake: Why?');
});

test('however askers join, cancel and go away, each that stayed hears one outcome', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('ask' as const), id: fc.constantFrom('r', 's') }),
    fc.record({ do: fc.constantFrom('cancel' as const, 'detach' as const), which: fc.nat(20) }),
    fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(0, 30, 200) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const { clock, bridge, ask } = await startBridge({ limits: { size: 2 } });
      const asked: { heard: Heard; wentAway: boolean }[] = [];
      for (const action of steps) {
        const chosen =
          'which' in action ? asked[action.which % Math.max(1, asked.length)] : undefined;
        if (action.do === 'ask') {
          const question = `!fake delay=50 deltas=4 ${action.id}`;
          asked.push({ heard: ask({ question, requestId: action.id }), wentAway: false });
        } else if (action.do === 'wait') {
          await clock.advance(action.ms);
        } else if (action.do === 'cancel') {
          chosen?.heard.ticket?.cancel();
        } else if (chosen !== undefined) {
          chosen.wentAway ||= chosen.heard.outcomes.length === 0;
          chosen.heard.ticket?.detach();
        }
      }
      await clock.advance(10_000);
      for (const { heard, wentAway } of asked) {
        if (!wentAway) expect(heard.outcomes).toHaveLength(1);
        else expect(heard.outcomes.length).toBeLessThanOrEqual(1);
        if (heard.reply !== undefined) expect(heard.text).toBe(heard.reply.answer);
      }
      expect(bridge.stats()).toMatchObject({ in_flight: 0 });
      await bridge.close();
      expect(clock.pending).toBe(0);
    }),
    { numRuns: 100 },
  );
});

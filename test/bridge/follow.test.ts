/** Looking on at a query that somebody else asked. */
import { expect, test } from 'vitest';
import { settled } from '../support/fake-clock.js';
import { Heard, startBridge } from './harness.js';

class Follower extends Heard {
  starts = 0;

  started(): void {
    this.starts += 1;
  }
}

const question = '!fake deltas=8 delay=100 How long is a piece of string?';

test('who follows hears what was said before, and the rest, and the end', async () => {
  const { clock, bridge, ask } = await startBridge();
  const asker = ask({ question, requestId: 'r' });
  await clock.advance(60);
  const follower = new Follower();
  bridge.follow('r', follower);
  expect(follower.starts).toBe(1);
  expect(follower.text).toBe(asker.text);
  expect(follower.notes.at(-1)).toMatchObject({ stage: 'generating_response' });
  await clock.advance(60);
  expect(follower.text).toBe(asker.reply?.answer);
  expect(follower.outcomes).toEqual(asker.outcomes);
});

test('who follows a query that waits hears its place, and when it is taken up', async () => {
  const { clock, bridge, ask } = await startBridge({ limits: { size: 1 } });
  const first = ask('!fake silent');
  ask({ question, requestId: 'r' });
  await clock.advance(50);
  const follower = new Follower();
  bridge.follow('r', follower);
  expect([follower.positions, follower.starts]).toEqual([[1], 0]);
  first.ticket?.cancel();
  await settled();
  expect(follower.starts).toBe(1);
});

test('following keeps no query at work: it ends when those who asked have gone', async () => {
  const { clock, bridge, ask } = await startBridge();
  const asker = ask({ question: '!fake silent', requestId: 'r' });
  const follower = new Follower();
  bridge.follow('r', follower);
  asker.ticket?.cancel();
  await clock.advance(1_000);
  expect(follower.error).toMatchObject({ code: 'cancelled' });
  expect(bridge.stats()).toMatchObject({ in_flight: 0 });
});

test('who has stopped following hears nothing more', async () => {
  const { clock, bridge, ask } = await startBridge();
  const asker = ask({ question, requestId: 'r' });
  const follower = new Follower();
  const stop = bridge.follow('r', follower);
  await clock.advance(60);
  stop?.();
  const { text } = follower;
  await clock.advance(60);
  expect(asker.reply).toBeDefined();
  expect([follower.text, follower.outcomes]).toEqual([text, []]);
});

test('a stored reply is told, and of what nobody asked there is nothing to follow', async () => {
  const { clock, bridge, ask } = await startBridge();
  expect(bridge.follow('r', new Follower())).toBeUndefined();
  const asker = ask({ question, requestId: 'r' });
  await clock.advance(200);
  const late = new Follower();
  expect(bridge.follow('r', late)).toBeTypeOf('function');
  await settled();
  expect(late.outcomes).toEqual(asker.outcomes);
  expect(bridge.stats()).toMatchObject({ joined: 0, replayed: 0 });
});

test('the models are told with the default one first, and who claims which', async () => {
  const { bridge } = await startBridge();
  expect(bridge.models()).toMatchObject([{ engine: 'fake', kind: 'fake', isDefault: true }]);
  expect(bridge.claims('fake')).toMatchObject({ engine: 'fake' });
  expect(bridge.claims('gpt-9')).toBeUndefined();
});

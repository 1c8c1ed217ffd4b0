import { expect, test } from 'vitest';
import { TurnHeard } from '../../../src/engines/acp/turn.js';
import type { TurnEvent } from '../../../src/engines/index.js';

const say = (text: string) => ({
  sessionUpdate: 'agent_message_chunk',
  content: { type: 'text', text },
});

function cancel(turn: TurnHeard): void {
  turn.isCancelled = true;
}

const retrying = {
  _meta: { jetbrains: { air: { sessionFailure: { category: 'limit', severity: 'warning' } } } },
};

test.each([
  ['cancelled', cancel],
  ['failed', (turn: TurnHeard) => turn.hear(retrying)],
  ['over', (turn: TurnHeard) => turn.end()],
])('of a turn that is %s nothing more is held or told', (_how, stop) => {
  const events: TurnEvent[] = [];
  const turn = new TurnHeard((event) => events.push(event));
  turn.hear(say('half an ans'));
  stop(turn);
  const told = events.length;
  for (let n = 0; n < 100; n += 1) turn.hear(say('x'.repeat(1000)));
  turn.end();
  expect(turn.answer).toBe('half an ans');
  expect(events).toHaveLength(told);
});

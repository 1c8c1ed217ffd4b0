import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toAnswer } from '../../clients/socket/answer.js';
import { ResponseReply } from '../../src/protocol/index.js';

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 100 });
const key = fc.option(text, { nil: undefined });

test('a response is taken exactly when its schema takes it, and reads the same', () => {
  const whole = fc.record({
    type: fc.constant('response'),
    id: fc.constant(7),
    answer: text,
    sources: fc.array(text),
    model: text,
    engine: text,
    session: text,
    elapsed_ms: fc.nat(),
    queued_ms: fc.nat(),
    first_byte_ms: fc.option(fc.nat(), { nil: undefined }),
    usage: fc.constantFrom(undefined, { input: 1 }),
    stop_reason: key,
    request_id: key,
  });
  const names = fc.constantFrom(
    'answer',
    'sources',
    'model',
    'first_byte_ms',
    'usage',
    'stop_reason',
  );
  const odd = fc.constantFrom(undefined, null, 1, 'text', [], ['a', 1], { input: 'x' });
  const reply = fc
    .tuple(whole, fc.option(fc.tuple(names, odd)))
    .map(([right, change]) => (change ? { ...right, [change[0]]: change[1] } : right));
  fc.assert(
    fc.property(reply, (given) => {
      const checked = ResponseReply.safeParse(given).data;
      if (checked === undefined) {
        expect(() => toAnswer(given)).toThrow('does not follow the protocol');
        return;
      }
      expect(toAnswer(given)).toMatchObject({
        answer: checked.answer,
        sources: checked.sources,
        stopReason: checked.stop_reason,
        usage: checked.usage,
        requestId: checked.request_id,
        elapsedMs: checked.elapsed_ms,
        firstByteMs: checked.first_byte_ms,
      });
    }),
    { numRuns: 500 },
  );
});

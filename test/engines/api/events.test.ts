import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventGate, StreamTooLarge } from '../../../src/engines/api/events.js';

const bytes = (text: string) => Buffer.from(text);

function pass(chunks: readonly Uint8Array[], gate = new EventGate()): string[] {
  const events = chunks.flatMap((chunk) => (gate.isOver ? [] : gate.push(chunk)));
  return [...events, ...gate.end()].map((event) => Buffer.from(event).toString());
}

/** The bytes cut at these places, wherever they are in an event, a line or a character. */
function cut(whole: Buffer, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (whole.length + 1)), whole.length];
  at.sort((a, b) => a - b);
  return at.slice(1).map((end, n) => whole.subarray(at[n], end));
}

const line = fc
  .string({ unit: 'grapheme', maxLength: 20 })
  .map((text) => text.replace(/[\r\n]/g, ''));
const event = fc
  .tuple(line, fc.constantFrom('\n', '\r\n'))
  .map(([text, newline]) => `data: ${JSON.stringify(text)}${newline}${newline}`);

test('events arrive whole and in order, wherever their bytes were cut', () => {
  fc.assert(
    fc.property(fc.array(event), fc.array(fc.nat()), (events, places) => {
      expect(pass(cut(bytes(events.join('')), places))).toEqual(events);
    }),
  );
});

test('comments and blank lines do not arrive', () => {
  expect(pass([bytes(': data\n\n\n\n'), bytes('event: ping\n\n'), bytes('data: 1\n\n')])).toEqual([
    'data: 1\n\n',
  ]);
});

test('nothing arrives after the last event of either API', () => {
  const openai = 'data: 1\n\ndata: [DONE]\n\n';
  expect(pass([bytes(`${openai}data: 2\n\n`), bytes('data: 3\n\n')])).toHaveLength(2);
  const anthropic = 'event: message_stop\ndata: {}\n\n';
  expect(pass([bytes(`${anthropic}data: 2\n\n`)])).toEqual([anthropic]);
});

test('words of an answer do not end it', () => {
  const said = 'data: {"text":"data: [DONE]\\nevent: message_stop"}\n\n';
  expect(pass([bytes(`${said}data: 2\n\n`)])).toEqual([said, 'data: 2\n\n']);
});

test('an event without its blank line arrives when the stream ends', () => {
  expect(pass([bytes('data: 1\n\nda'), bytes('ta: 2\n')])).toEqual(['data: 1\n\n', 'data: 2\n']);
});

test('an event that grows without end is refused, however it comes', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 10 }), (places) => {
      const endless = bytes(`data: ${'x'.repeat(200)}\n`.repeat(3));
      expect(() => pass(cut(endless, places), new EventGate({ eventBytes: 600 }))).toThrow(
        StreamTooLarge,
      );
    }),
  );
});

test('any number of events may be as large as the largest', () => {
  const large = `data: ${'x'.repeat(92)}\n\n`;
  expect(pass([bytes(large.repeat(50))], new EventGate({ eventBytes: 100 }))).toHaveLength(50);
});

test.each(['data: {}\n\n', ': ping\n\n', '\n'])(
  'a stream of %j without end is refused',
  (event) => {
    const gate = new EventGate({ events: 1000 });
    const chunk = bytes(event.repeat(10));
    for (let chunks = 0; chunks < 100; chunks += 1) gate.push(chunk);
    expect(() => gate.push(chunk)).toThrow(StreamTooLarge);
  },
);

test('a stream has a largest size, whatever it carries', () => {
  const gate = new EventGate({ bytes: 1000 });
  const chunk = bytes(`data: ${'x'.repeat(92)}\n\n`);
  for (let chunks = 0; chunks < 10; chunks += 1) gate.push(chunk);
  expect(() => gate.push(chunk)).toThrow(StreamTooLarge);
});

test('a model may think in 128,000 events before it says a word', () => {
  const gate = new EventGate();
  const thought = bytes(`data: ${'x'.repeat(400)}\n\n`);
  for (let tokens = 0; tokens < 256_000; tokens += 1) gate.push(thought);
  expect(gate.push(bytes('data: text\n\n'))).toHaveLength(1);
});

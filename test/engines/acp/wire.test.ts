import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Lines, openWire } from '../../../src/engines/acp/wire.js';

function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const ends = [...new Set(at.map((n) => n % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, n) => bytes.subarray(n === 0 ? 0 : ends[n - 1], end));
}

test('lines are the same however their bytes are cut', () => {
  const text = fc.string({ unit: 'grapheme' }).map((line) => line.replaceAll('\n', ' '));
  fc.assert(
    fc.property(fc.array(text), fc.array(fc.nat()), (expected, cuts) => {
      const bytes = Buffer.from(expected.map((line) => `${line}\n`).join(''));
      const lines = new Lines();
      expect(cut(bytes, cuts).flatMap((piece) => [...lines.take(piece)])).toEqual(expected);
    }),
  );
});

test('a line that is too long is refused before it is whole', () => {
  const lines = new Lines();
  const piece = Buffer.alloc(1024 * 1024, 'x');
  expect(() => {
    for (let n = 0; n < 2; n += 1) [...lines.take(piece)];
  }).toThrow(/more than/);
});

const taken = (line: string) => [...new Lines().take(Buffer.from(`${line}\n`))];

test.each([
  ['of arrays', '['.repeat(500_000)],
  ['of objects', '{"a":'.repeat(200_000)],
  ['after a string that ends', `{"text":"\\\\","a":${'['.repeat(70)}`],
])('a line that nests too deep is refused before it is parsed: %s', (_of, line) => {
  expect(() => taken(line)).toThrow(/levels/);
});

test('a line of too many values is refused before it is parsed', () => {
  const options = Array.from({ length: 30_000 }, (_, n) => ({ optionId: String(n) }));
  expect(() => taken(JSON.stringify({ options }))).toThrow(/20000 values/);
});

test('brackets, commas and quotes in a text are neither levels nor values', () => {
  const text = fc.string({ unit: fc.constantFrom('[', '{', '}', ',', '"', '\\', 'é', '😀') });
  fc.assert(
    fc.property(text, (piece) => {
      const line = JSON.stringify({ text: piece.repeat(3000), more: [{}] });
      expect(taken(line)).toEqual([line]);
    }),
    { numRuns: 50 },
  );
});

test('whatever an agent writes, only replies to what was asked and its requests come through', async () => {
  const line = fc.oneof(
    fc.json(),
    fc.string(),
    fc
      .record({
        jsonrpc: fc.constantFrom('2.0', '1.0', 2),
        id: fc.oneof(fc.nat(3), fc.string(), fc.constant(null), fc.object()),
        result: fc.anything(),
      })
      .map((reply) => JSON.stringify(reply)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 50 }), async (written) => {
      const stdin = new PassThrough();
      const stdout = new PassThrough();
      const { readable, writable } = openWire({ stdin, stdout }, () => {});
      const writer = writable.getWriter();
      await writer.write({ jsonrpc: '2.0', id: 'ours', method: 'initialize' });
      const reply = '{"jsonrpc":"2.0","id":"ours","result":{}}\n';
      stdout.end(
        `${written.map((text) => text.replaceAll('\n', ' ')).join('\n')}\n${reply}${reply}`,
      );
      const through = [];
      for await (const message of readable) through.push(message);
      expect(through.filter((message) => !('method' in message))).toEqual([
        { jsonrpc: '2.0', id: 'ours', result: {} },
      ]);
    }),
    { numRuns: 50 },
  );
});

test('updates are heard in order, before the reply that follows them', async () => {
  const stdout = new PassThrough();
  const heard: unknown[] = [];
  const { readable } = openWire({ stdin: new PassThrough(), stdout }, (params) =>
    heard.push(params),
  );
  const update = (params: number) =>
    `${JSON.stringify({ jsonrpc: '2.0', method: 'session/update', params })}\n`;
  stdout.end(`${update(1)}${update(2)}{"jsonrpc":"2.0","id":1,"method":"x"}\n${update(3)}`);
  for await (const message of readable) {
    expect(message).toMatchObject({ id: 1 });
    expect(heard.slice(0, 2)).toEqual([1, 2]);
  }
  expect(heard).toEqual([1, 2, 3]);
});

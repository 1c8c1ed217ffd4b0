import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type FramedLine, LineFramer } from '../../src/protocol/index.js';

const CAP = 16;

/** What a framer must find, written the slow and obvious way. */
function naive(bytes: Buffer, cap: number): FramedLine[] {
  const parts: Buffer[] = [];
  let start = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, start)) {
    parts.push(bytes.subarray(start, at));
    start = at + 1;
  }
  if (start < bytes.length) parts.push(bytes.subarray(start));
  const found: FramedLine[] = [];
  for (const [index, part] of parts.entries()) {
    const line = index + 1;
    if (part.length > cap) {
      found.push({ kind: 'too_long', line });
      continue;
    }
    try {
      const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
      const text = decoder.decode(part).replace(/\r$/, '');
      if (text.trim() !== '') found.push({ kind: 'text', line, text });
    } catch {
      found.push({ kind: 'invalid_utf8', line });
    }
  }
  return found;
}

function pull(framer: LineFramer): FramedLine[] {
  const found: FramedLine[] = [];
  for (let line = framer.next(); line; line = framer.next()) found.push(line);
  return found;
}

function frame(chunks: Buffer[], cap: number): FramedLine[] {
  const framer = new LineFramer(cap);
  const found: FramedLine[] = [];
  for (const chunk of chunks) {
    framer.push(chunk);
    found.push(...pull(framer));
  }
  framer.end();
  return [...found, ...pull(framer)];
}

function cutAt(bytes: Buffer, cuts: number[]): Buffer[] {
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  edges.sort((a, b) => a - b);
  return edges.slice(1).map((edge, index) => bytes.subarray(edges[index], edge));
}

const pieces = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom('\n', '\r\n', '\r', ' ', '{"a":1}', 'ping') },
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
  { weight: 1, arbitrary: fc.constantFrom('x'.repeat(CAP), 'x'.repeat(CAP + 1), '€'.repeat(CAP)) },
);
const streams = fc
  .array(fc.oneof(pieces.map(Buffer.from), fc.uint8Array({ maxLength: 4 }).map(Buffer.from)))
  .map((parts) => Buffer.concat(parts));

describe('the framer', () => {
  test('finds the same lines however the bytes are cut into chunks', () => {
    fc.assert(
      fc.property(streams, fc.array(fc.nat(), { maxLength: 12 }), (bytes, cuts) => {
        expect(frame(cutAt(bytes, cuts), CAP)).toEqual(naive(bytes, CAP));
      }),
      { numRuns: 2000 },
    );
  });

  test('finds the same lines when every byte comes alone', () => {
    fc.assert(
      fc.property(streams, (bytes) => {
        const chunks = [...bytes].map((byte) => Buffer.of(byte));
        expect(frame(chunks, CAP)).toEqual(naive(bytes, CAP));
      }),
    );
  });

  test('finds the same lines when chunks wait while lines are pulled one at a time', () => {
    fc.assert(
      fc.property(streams, fc.array(fc.nat(), { maxLength: 6 }), (bytes, cuts) => {
        const framer = new LineFramer(CAP);
        const found: FramedLine[] = [];
        for (const chunk of cutAt(bytes, cuts)) {
          framer.push(chunk);
          const line = framer.next();
          if (line) found.push(line);
        }
        framer.end();
        expect([...found, ...pull(framer)]).toEqual(naive(bytes, CAP));
      }),
    );
  });

  test('accepts a line of exactly the cap, in bytes, and refuses one byte more', () => {
    const fits = `${'é'.repeat(CAP / 2)}\n`;
    const over = `${'é'.repeat(CAP / 2)}x\n`;
    expect(frame([Buffer.from(fits + over + fits)], CAP).map((line) => line.kind)).toEqual([
      'text',
      'too_long',
      'text',
    ]);
  });

  test('reports an over-long line once, before its newline has come, and reads on after it', () => {
    const framer = new LineFramer(CAP);
    framer.push(Buffer.from(`first\n${'x'.repeat(CAP + 1)}`));
    expect(pull(framer)).toEqual([
      { kind: 'text', line: 1, text: 'first' },
      { kind: 'too_long', line: 2 },
    ]);
    framer.push(Buffer.alloc(10 * CAP, 'y'));
    expect(pull(framer)).toEqual([]);
    framer.push(Buffer.from('tail\nnext\n'));
    expect(pull(framer)).toEqual([{ kind: 'text', line: 3, text: 'next' }]);
  });

  test('holds no more than the cap of a line that never ends', () => {
    const cap = 1024 * 1024;
    const framer = new LineFramer(cap);
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const reports: FramedLine[] = [];
    const before = process.memoryUsage().arrayBuffers;
    for (let sent = 0; sent < 100 * cap; sent += chunk.length) {
      framer.push(chunk);
      reports.push(...pull(framer));
    }
    expect(reports).toEqual([{ kind: 'too_long', line: 1 }]);
    framer.push(Buffer.from('\nping\n'));
    expect(pull(framer)).toEqual([{ kind: 'text', line: 2, text: 'ping' }]);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * cap);
  });

  test('keeps a code point whole that is split over chunks', () => {
    const bytes = Buffer.from('{"q":"🙂 é 漢"}\n');
    for (let cut = 1; cut < bytes.length; cut += 1) {
      expect(frame([bytes.subarray(0, cut), bytes.subarray(cut)], 64)).toEqual([
        { kind: 'text', line: 1, text: '{"q":"🙂 é 漢"}' },
      ]);
    }
  });

  test('counts blank lines and skips them', () => {
    const lines = frame([Buffer.from('\n\r\n  \t\nping\n\nhelp')], CAP);
    expect(lines).toEqual([
      { kind: 'text', line: 4, text: 'ping' },
      { kind: 'text', line: 6, text: 'help' },
    ]);
  });

  test('one bad line does not spoil the good ones around it', () => {
    const bytes = Buffer.concat([
      Buffer.from('one\n'),
      Buffer.of(0xc3, 0x28),
      Buffer.from('\ntwo\n'),
    ]);
    expect(frame([bytes], CAP)).toEqual([
      { kind: 'text', line: 1, text: 'one' },
      { kind: 'invalid_utf8', line: 2 },
      { kind: 'text', line: 3, text: 'two' },
    ]);
  });

  test('a cap raised between two lines holds for the next one', () => {
    const framer = new LineFramer(4);
    framer.push(Buffer.from('tiny\nthis is longer\n'));
    expect(framer.next()).toEqual({ kind: 'text', line: 1, text: 'tiny' });
    framer.maxLineBytes = 64;
    expect(framer.next()).toEqual({ kind: 'text', line: 2, text: 'this is longer' });
  });

  test('says whether a line has begun that has not ended', () => {
    const framer = new LineFramer(CAP);
    framer.push(Buffer.from('whole\npart'));
    pull(framer);
    expect([framer.partial, framer.line]).toEqual([true, 1]);
    framer.push(Buffer.from('\n'));
    pull(framer);
    expect([framer.partial, framer.line]).toEqual([false, 2]);
  });
});

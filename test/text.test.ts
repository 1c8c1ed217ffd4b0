/** Texts as people and shells read them. */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { printableLine, shellWord } from '../src/text.js';

test('a path in a command that is shown is one word of a shell, whatever is in it', () => {
  expect(shellWord('data/bus-1.db')).toBe('data/bus-1.db');
  expect(shellWord("it's here.db")).toBe("'it'\\''s here.db'");
  const hostile = fc.string({ unit: fc.constantFrom(...`ab'"\\$\`!*?~#&;|<>(){}[] \n\t\u001b`) });
  fc.assert(
    fc.property(fc.oneof(hostile, fc.string()), (path) => {
      const script = `set -f; set -- ${shellWord(path)}; printf '%s:%s' "$#" "$1"`;
      const read = execFileSync('sh', ['-c', script], { encoding: 'utf8' });
      expect(read).toBe(`1:${printableLine(path)}`);
    }),
    { numRuns: 100 },
  );
});

import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach } from 'vitest';
import { type ContextFile, createContextRoots } from '../../../src/context/index.js';
import { type Answer, compose } from '../../../src/engines/extract/answer.js';
import { buildIndex, type DocumentIndex } from '../../../src/engines/extract/document.js';
import { cutPassages, type Passage } from '../../../src/engines/extract/passages.js';
import { understand } from '../../../src/engines/extract/question.js';
import { search } from '../../../src/engines/extract/search.js';

export function finish<T>(work: Generator<undefined, T>): T {
  let step = work.next();
  while (step.done !== true) step = work.next();
  return step.value;
}

export function indexOf(text: string | Buffer): DocumentIndex {
  return finish(buildIndex(Buffer.from(text)));
}

export function passagesOf(text: string | Buffer): Passage[] {
  return [...cutPassages(Buffer.from(text))].filter((passage) => passage !== undefined);
}

export function ask(index: DocumentIndex, question: string, name = 'doc.md'): Answer {
  const asked = understand(question, index.language);
  return compose(index, asked, search(index, asked), name);
}

export interface Cited {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

export function parseSource(source: string): Cited {
  const match = /^(.+):(\d+)-(\d+)$/.exec(source);
  if (match === null) throw new Error(`not a source: ${source}`);
  return { name: match[1] ?? '', from: Number(match[2]), to: Number(match[3]) };
}

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** A real context file in a directory of its own, removed after the test. */
export async function contextFile(text: string | Buffer, name = 'doc.md'): Promise<ContextFile> {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'warmline-extract-')));
  directories.push(directory);
  writeFileSync(join(directory, name), text);
  const roots = await createContextRoots({ roots: [directory], maxBytes: 32 * 1024 * 1024 });
  const file = await roots.resolve(name);
  if (file === undefined) throw new Error('the context file was not found');
  return file;
}

/** The same file, counting how often it is read. */
export function counted(file: ContextFile): ContextFile & { reads: number } {
  const counting = {
    ...file,
    reads: 0,
    read: () => {
      counting.reads++;
      return file.read();
    },
  };
  return counting;
}

/** Pieces of Markdown that meet in odd orders. */
export const markdown = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '# Title',
        '## Part',
        '===',
        '---',
        '| a | b |',
        '|---|---|',
        '| 1 | 2 |',
        'a|b',
      ),
      fc.constantFrom(
        '- item',
        '  - inner',
        '3. third',
        '> quote',
        '```',
        '~~~',
        '```js',
        '    code',
      ),
      fc.constantFrom(
        '',
        '',
        ' ',
        '\t',
        '**Bold**',
        'LOUD TITLE',
        'Label: value',
        'key = 1',
        '\u0000',
      ),
      fc.lorem({ maxCount: 30 }),
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.string({ maxLength: 200 }).map((part) => part.repeat(20)),
    ),
    { maxLength: 60 },
  )
  .chain((lines) => fc.constantFrom('\n', '\r\n').map((end) => lines.join(end)));

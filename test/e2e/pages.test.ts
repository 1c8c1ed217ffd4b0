import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { blocksOf, Desk } from '../support/pages.js';
import { freePort, ROOT, run } from './warmline.js';

/** A page is a dozen programs, one after the other. */
const LONGEST_MS = 180_000;

test(
  'what the page for operators shows is what happens',
  async () => {
    const desk = new Desk({ bridge: await freePort(), http: await freePort() });
    await desk.follow('docs/for-operators.md');
  },
  LONGEST_MS,
);

test(
  'what the page for authors of a shard shows is what happens',
  async () => {
    const desk = new Desk({ bridge: await freePort(), http: await freePort() });
    await desk.run('npm install --global . && warmline init');
    const said = await desk.follow('docs/for-authors.md');
    // That page stands beside the code, and speaks of the same server.
    const client = await desk.follow('clients/python/README.md', ['python']);
    expect(client.python).toMatch(/bridge|bus|shard/);
    expect(said.ts).toMatch(/SQLite[\s\S]*^cancelled$[\s\S]*^\d+ complete$/m);
    expect(said.ts).toMatch(/^finished$/m);
    expect(said.python).toMatch(/SQLite[\s\S]*^\d+ complete$/m);
  },
  LONGEST_MS,
);

test(
  'what the page for engineers shows can be run in a checkout',
  async () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const { code } of blocksOf('docs/for-engineers.md')) {
      for (const line of code.trimEnd().split('\n')) {
        // Without the build that a script begins with: others use what it would replace.
        const words = line.replace(/^npm run (\S+) --/, (_, name) =>
          scripts[name].split(' && ').at(-1),
        );
        const { code, stderr } = await run('bash', '-c', words);
        expect({ line, code, stderr: code === 0 ? '' : stderr }).toEqual({
          line,
          code: 0,
          stderr: '',
        });
      }
    }
  },
  LONGEST_MS,
);

const PAGES = [
  'README.md',
  'CONTRIBUTING.md',
  'bench/README.md',
  'clients/python/README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

test.each(PAGES)('%s leads to files, headings and scripts that are there', (page) => {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  for (const [, target = ''] of prose(text).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^\w+:/.test(target)) continue;
    const [file = '', anchor] = target.split('#');
    const there = file === '' ? page : join(dirname(page), file);
    expect(existsSync(join(ROOT, there)), target).toBe(true);
    if (anchor === undefined) continue;
    expect(anchorsOf(readFileSync(join(ROOT, there), 'utf8')), target).toContain(anchor);
  }
  for (const [, name = ''] of text.matchAll(/\bnpm run (?:-s )?([\w:]+)/g)) {
    expect(scripts).toHaveProperty([name]);
  }
  for (const [, path = ''] of prose(text).matchAll(
    /`((?:src|clients|test|docs|bench|chaos)\/[\w./-]+)`/g,
  )) {
    expect(existsSync(join(ROOT, path)), path).toBe(true);
  }
});

function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```/gm, '');
}

/** What a link can name, as GitHub makes it from headings. */
function anchorsOf(text: string): string[] {
  return [...prose(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../e2e/warmline.js';
import { Recording, rewrite, steady } from '../support/recording.js';

const PAGE = resolve(import.meta.dirname, '../../docs/walkthrough.md');

test('docs/walkthrough.md is what a terminal shows (with RECORD=1 this writes it)', async () => {
  const page = readFileSync(PAGE, 'utf8');
  const recording = new Recording({ bridge: await freePort(), http: await freePort() });
  const shown = await recording.play(page).finally(() => recording.close());
  if (process.env.RECORD) {
    const contents = shown.map(({ now }) => now);
    writeFileSync(PAGE, rewrite(page, contents));
    return;
  }
  for (const each of shown) expect(steady(each.now)).toBe(steady(each.page));
  expect(shown.length).toBeGreaterThan(5);
}, 120_000);

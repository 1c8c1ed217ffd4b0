import { expect, test } from 'vitest';
import { Desk } from '../support/pages.js';
import { freePort } from './warmline.js';

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
    for (const language of ['python', 'ts']) {
      expect(said[language], language).toMatch(/SQLite[\s\S]*^cancelled$[\s\S]*\d complete$/m);
    }
  },
  LONGEST_MS,
);

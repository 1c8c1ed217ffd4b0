import { test } from 'vitest';
import { Desk } from '../support/pages.js';
import { freePort } from './warmline.js';

test('what the page for operators shows is what happens', async () => {
  const desk = new Desk({ bridge: await freePort(), http: await freePort() });
  await desk.follow('docs/for-operators.md');
});

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { documents, startServe, startUp } from '../http/support.js';
import { stock } from './stock.js';
import { browserForTests, tempDir, visit, WIDTHS } from './support.js';

browserForTests();

const VIEWS = ['overview', 'questions', 'conversations', 'engines', 'failures', 'timeouts', 'ask'];

/** What shows that a view has what it waits for. */
const SHOWN: Readonly<Record<string, string>> = {
  overview: '.chart canvas',
  questions: 'table[aria-label="Questions"] tbody tr',
  conversations: 'table[aria-label="Unfinished conversations"] tbody tr',
  engines: 'table[aria-label="Sessions"] tbody tr',
  failures: 'table[aria-label="Failed and dead questions"] tbody tr',
  timeouts: 'table[aria-label="Time-outs"] tbody tr',
  ask: 'textarea',
};

/** `WARMLINE_SCREENSHOTS` keeps the pictures. */
function pictures(): string {
  const kept = process.env.WARMLINE_SCREENSHOTS;
  if (kept === undefined) return tempDir();
  mkdirSync(kept, { recursive: true });
  return kept;
}

/** How far the page is wider than its window, in pixels. */
function overflow(page: Page): Promise<unknown> {
  return page.evaluate(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  );
}

test('every view stands at three widths and in two themes, quietly and within the window', async () => {
  const server = await startUp('--engine', 'fake');
  const { answered, hostile } = await stock(server.db);
  const directory = pictures();
  for (const [name, width] of Object.entries(WIDTHS)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, troubles } = await visit(server.url, {
        viewport: { width, height: 900 },
        colorScheme,
      });
      const picture = (view: string, fullPage: boolean) =>
        page.screenshot({
          path: join(directory, `${view}-${name}-${colorScheme}.png`),
          fullPage,
        });
      for (const view of VIEWS) {
        await page.goto(`${server.url}/#/${view}`);
        await page
          .locator(SHOWN[view] ?? '')
          .first()
          .waitFor();
        expect(await overflow(page), `${view} ${name}`).toBe(0);
        await picture(view, true);
      }
      for (const id of [answered, hostile]) {
        await page.goto(`${server.url}/#/questions/${id}`);
        await page.locator('dialog[open] .timeline').waitFor();
        expect(await overflow(page), `drawer ${name}`).toBe(0);
        await picture(`drawer-${id}`, false);
      }
      expect(troubles).toEqual([]);
    }
  }
}, 120_000);

test('where there is nothing yet, each view says so and what to do', async () => {
  const server = await startUp('--engine', 'fake');
  const directory = pictures();
  const { page, troubles } = await visit(server.url);
  const empty: [view: string, says: string][] = [
    ['overview', 'No questions yet.'],
    ['questions', 'No questions yet.'],
    ['conversations', 'Every conversation is answered.'],
    ['failures', 'Nothing has failed.'],
    ['timeouts', 'No turn has ended lately.'],
    ['ask', 'Ask a warm session directly.'],
  ];
  for (const [view, says] of empty) {
    await page.goto(`${server.url}/#/${view}`);
    await page.getByText(says).waitFor();
    await page.screenshot({ path: join(directory, `empty-${view}.png`) });
  }
  expect(troubles).toEqual([]);
});

test('a server without a bus shows its engines, and how to get a bus', async () => {
  const server = await startServe(documents(), '--engine', 'fake');
  const { page, troubles } = await visit(server.url);
  await page.getByText('This server has no bus.').waitFor();
  await page.getByRole('heading', { name: 'fake' }).waitFor();
  await page.goto(`${server.url}/#/failures`);
  await page.getByText('This server has no bus.').waitFor();
  expect(troubles).toEqual([]);
});

test('the colours are those of the system until others are chosen, and stay chosen', async () => {
  const server = await startServe(documents(), '--engine', 'fake');
  const { page } = await visit(server.url, { colorScheme: 'dark' });
  const background = () =>
    page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
  const dark = await background();
  await page.getByRole('button', { name: 'Change to light' }).click();
  const light = await background();
  expect(light).not.toBe(dark);
  await page.reload();
  await page.getByRole('button', { name: 'Change to dark' }).waitFor();
  expect(await background()).toBe(light);
});

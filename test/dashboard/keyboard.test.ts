import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { startUp } from '../http/support.js';
import { until } from '../support/process.js';
import { Asker, browserForTests, visit } from './support.js';

browserForTests();

function focused(page: Page): Promise<unknown> {
  return page.evaluate(
    'document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent.trim()',
  );
}

test('the first stop of the keyboard leads past the navigation', async () => {
  const server = await startUp('--engine', 'fake');
  const { page } = await visit(server.url);
  await page.getByText('No questions yet.').waitFor();
  await page.keyboard.press('Tab');
  expect(await focused(page)).toBe('Skip to the content');
  await page.keyboard.press('Enter');
  expect(await page.evaluate('document.activeElement.id')).toBe('main');
});

test('a question opens by Enter, holds the keyboard, and Escape leads back to where one was', async () => {
  const server = await startUp('--engine', 'fake');
  const asker = new Asker(server.db);
  const id = await asker.put('Which port?');
  await until(() => asker.endOf(id));
  const { page, troubles } = await visit(`${server.url}/#/questions`);
  const link = page.getByRole('link', { name: 'Which port?' });
  await link.focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: `Question ${id}` });
  await dialog.getByText('fake: Which port?').waitFor();
  for (let stop = 0; stop < 5; stop += 1) {
    await page.keyboard.press('Tab');
    const isInside = await page.evaluate(
      'document.activeElement === document.body || document.activeElement.closest("dialog") !== null',
    );
    expect(isInside).toBe(true);
  }
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });
  // Where the keyboard goes is settled with the next frame.
  await expect.poll(() => focused(page)).toBe('Which port?');
  expect(troubles).toEqual([]);
});

test('the filter is one stop of the keyboard, and arrows choose in it', async () => {
  const server = await startUp('--engine', 'fake');
  const asker = new Asker(server.db);
  await asker.put('Which port?');
  const { page } = await visit(`${server.url}/#/questions`);
  await page.getByRole('row', { name: /complete/ }).waitFor();
  await page.getByRole('radio', { name: 'All' }).focus();
  await page.keyboard.press('ArrowRight');
  expect(await page.getByRole('radio', { name: 'Waiting' }).isChecked()).toBe(true);
  await page.getByText('No question matches.').waitFor();
  await page.keyboard.press('Tab');
  expect(await focused(page)).toBe('Conversation');
});

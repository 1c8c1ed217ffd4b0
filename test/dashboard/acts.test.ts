import { expect, test } from 'vitest';
import { rows, startUp } from '../http/support.js';
import { until } from '../support/process.js';
import { stock } from './stock.js';
import { Asker, browserForTests, visit } from './support.js';

browserForTests();

test('a running question is cancelled by two clicks, and by no fewer', async () => {
  const server = await startUp('--engine', 'fake');
  const asker = new Asker(server.db);
  const id = await asker.put('!fake silent What takes so long?');
  const { page, troubles } = await visit(server.url);
  await page.getByRole('button', { name: `Cancel: question ${id}` }).click();
  const certain = page.getByRole('button', { name: `Really cancel?: question ${id}` });
  await certain.waitFor();
  expect(asker.endOf(id)).toBeUndefined();
  await certain.click();
  await page.getByRole('status').getByText(`Question ${id} is cancelled.`).waitFor();
  await page.getByText('Nothing is being answered.').waitFor();
  expect(asker.endOf(id)).toEqual({ outcome: 'failed', code: 'cancelled' });
  expect(troubles).toEqual([]);
});

test('a failed question is asked again by a click, under a new number', async () => {
  const server = await startUp('--engine', 'fake');
  const asker = new Asker(server.db);
  const id = await asker.put('What is in it?', { context_file: 'missing.md' });
  const { page, troubles } = await visit(`${server.url}/#/failures`);
  await page.getByRole('button', { name: `Retry: question ${id}` }).click();
  await page.getByRole('link', { name: /^asked again: \d+$/ }).waitFor();
  const again = rows<{ again: number }>(
    server.db,
    'SELECT again_id AS again FROM warmline_redrives WHERE question_id = ?',
    id,
  );
  expect(again).toHaveLength(1);
  await page.getByRole('link', { name: `asked again: ${again[0]?.again}` }).click();
  await page.getByRole('dialog', { name: `Question ${again[0]?.again}` }).waitFor();
  await page.getByText('asks question').waitFor();
  expect(troubles).toEqual([]);
});

test('a proposed time-out is set by one click, and then nothing is proposed any more', async () => {
  const server = await startUp('--engine', 'fake');
  await stock(server.db);
  const { page, troubles } = await visit(`${server.url}/#/timeouts`);
  await page.getByRole('button', { name: /^Set 30 s for conv_/ }).click();
  await page.getByRole('status').getByText('1 time-out set.').waitFor();
  await page.getByRole('button', { name: /^Set / }).waitFor({ state: 'detached' });
  const set = rows(server.db, 'SELECT engine, timeout_ms, source FROM warmline_timeouts');
  expect(set).toEqual([{ engine: 'fake', timeout_ms: 30_000, source: 'set' }]);
  expect(troubles).toEqual([]);
});

test('what another process asks shows by itself, with an age that goes on and is never negative', async () => {
  const server = await startUp('--engine', 'fake');
  const asker = new Asker(server.db);
  const { page, troubles } = await visit(server.url);
  await page.getByText('No questions yet.').waitFor();
  await asker.put('!fake silent Does it show?');
  const row = page.getByRole('listitem').filter({ hasText: 'Does it show?' });
  const age = row.locator('time');
  await age.waitFor();
  const shown = new Set<string>();
  while (shown.size < 3) shown.add((await age.textContent()) ?? '');
  expect([...shown].every((text) => /^(now|\d+(\.\d)? s)$/.test(text))).toBe(true);
  expect(troubles).toEqual([]);
});

test('changes are pushed: what happens shows although the page hardly looks by itself', async () => {
  const server = await startUp('--engine', 'fake');
  const asker = new Asker(server.db);
  await asker.put('one');
  const { page } = await visit(server.url);
  await page.getByTitle('changes are pushed').waitFor();
  const id = await asker.put('two');
  await page.getByRole('link', { name: 'two' }).first().waitFor();
  await until(() => asker.endOf(id));
  await page.getByRole('row', { name: /complete two/ }).waitFor();
});

test('the ask box streams an answer with its sources, and stops when told', async () => {
  const server = await startUp('--engine', 'fake');
  const { page, troubles } = await visit(`${server.url}/#/ask`);
  const field = page.getByRole('textbox', { name: 'Question' });
  await field.fill('!fake delay=100 deltas=5 Which port?');
  await field.press('Enter');
  await page.getByText('fake: Which port?').waitFor();
  await page.getByRole('list', { name: 'Sources' }).waitFor();
  await field.fill('!fake silent For ever?');
  await page.getByRole('button', { name: 'Ask' }).click();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByText('stopped after').waitFor();
  await field.fill('!fake error=engine_error What now?');
  await page.getByRole('button', { name: 'Ask' }).click();
  await page.locator('.turn .trouble').waitFor();
  expect(troubles.filter((text) => !text.includes('502'))).toEqual([]);
});

test('a page that has lost its server says so, and keeps what it saw as of then', async () => {
  const server = await startUp('--engine', 'fake');
  const asker = new Asker(server.db);
  await asker.put('!fake silent Still there?');
  const { page } = await visit(server.url);
  await page.getByRole('link', { name: 'Still there?' }).first().waitFor();
  await server.program.kill('SIGTERM');
  await page.getByRole('alert').getByText('Not connected').waitFor();
  await page.getByRole('link', { name: 'Still there?' }).first().waitFor();
});

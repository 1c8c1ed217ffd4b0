import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { call, documents, startServe, startUp } from '../http/support.js';
import { HOSTILE } from './stock.js';
import { Asker, browserForTests, visit } from './support.js';

browserForTests();

test('markup in a question and in its answer stays text, in every place it is shown', async () => {
  const server = await startUp('--engine', 'fake');
  const asker = new Asker(server.db);
  const done = await asker.put(`!fake echo ${HOSTILE}`);
  await asker.put(`!fake error=engine_error ${HOSTILE}`);
  const failed = await asker.put(HOSTILE, { context_file: `${HOSTILE}.md` });
  await asker.put(`!fake silent ${HOSTILE}`);
  const { page, troubles } = await visit(server.url);
  for (const place of [
    'overview',
    'questions',
    'failures',
    `questions/${done}`,
    `failures/${failed}`,
  ]) {
    await page.goto(`${server.url}/#/${place}`);
    await page.getByText(HOSTILE).first().waitFor();
    expect(await page.locator('#app img, #app script').count(), place).toBe(0);
    expect(await page.title()).not.toContain('owned');
  }
  expect(troubles).toEqual([]);
});

/** Somebody else's web site. */
async function foreignSite(): Promise<string> {
  const site = createServer((_request, reply) => {
    reply.setHeader('content-type', 'text/html').end('<title>elsewhere</title><body>');
  });
  site.listen(0, '127.0.0.1');
  await once(site, 'listening');
  onTestFinished(() => {
    site.closeAllConnections();
    site.close();
  });
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
}

test('a page of another origin can neither read nor post, nor frame the dashboard', async () => {
  const server = await startUp('--engine', 'fake');
  const asker = new Asker(server.db);
  const id = await asker.put('!fake silent Who goes there?');
  const { page } = await visit(await foreignSite());
  const attack = (path: string, init: object) =>
    page.evaluate(
      `fetch(${JSON.stringify(server.url + path)}, ${JSON.stringify(init)})
         .then(async (reply) => reply.type === 'opaque' ? 'opaque' : await reply.text(), () => 'refused')`,
    );
  expect(await attack('/v1/dashboard/state', {})).toBe('refused');
  expect(await attack('/v1/dashboard/questions', { mode: 'cors', credentials: 'include' })).toBe(
    'refused',
  );
  const cancel = `/v1/dashboard/questions/${id}/cancel`;
  expect(await attack(cancel, { method: 'POST' })).toBe('refused');
  // What is sent without asking comes back unread; it must not have worked either.
  const quiet = { method: 'POST', mode: 'no-cors', body: '{"changes":[]}' };
  expect(await attack(cancel, { ...quiet, headers: { 'content-type': 'text/plain' } })).toBe(
    'opaque',
  );
  expect(await attack(cancel, { method: 'POST', mode: 'no-cors' })).toBe('opaque');
  expect(asker.endOf(id)).toBeUndefined();
  const { body } = await call(`${server.url}/v1/dashboard/questions/${id}`);
  expect(body.status).toBe('processing');
  await page.setContent(`<iframe src="${server.url}/"></iframe>`);
  const frame = page.frames()[1];
  await frame?.waitForLoadState();
  expect(await frame?.locator('#app').count()).toBe(0);
});

test('the files of the page forbid whatever it does not need', async () => {
  const server = await startServe(documents(), '--engine', 'fake');
  const reply = await fetch(`${server.url}/`);
  const policy = reply.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/unsafe|\*|https?:/);
  expect(reply.headers.get('x-content-type-options')).toBe('nosniff');
  expect(reply.headers.get('referrer-policy')).toBe('no-referrer');
  const page = await reply.text();
  const parts = [...page.matchAll(/\/dashboard\/[\w.-]+/g)].map(String);
  expect(parts).toHaveLength(2);
  let bytes = page.length;
  for (const part of parts) {
    const file = await fetch(server.url + part);
    expect(file.headers.get('cache-control')).toContain('immutable');
    bytes += (await file.arrayBuffer()).byteLength;
  }
  expect(bytes).toBeLessThan(120_000);
  for (const path of ['/dashboard/..%2f..%2fpackage.json', '/dashboard/none.js', '/dashboard/']) {
    expect((await fetch(server.url + path)).status, path).toBe(404);
  }
});

test('a server with a token asks for it once in each tab, and tells nothing before', async () => {
  const directory = documents();
  const file = join(directory, 'token');
  const token = 'a-token-that-is-long-enough-for-anybody';
  writeFileSync(file, token, { mode: 0o600 });
  const server = await startServe(directory, '--engine', 'fake', '--token-file', file);
  expect((await call(`${server.url}/v1/dashboard/state`)).status).toBe(401);
  expect((await fetch(`${server.url}/`)).status).toBe(200);
  const { page, troubles } = await visit(server.url);
  const field = page.getByLabel('Token');
  await field.fill('wrong');
  await page.getByRole('button', { name: 'Open' }).click();
  await page.getByRole('alert').waitFor();
  await field.fill(token);
  await field.press('Enter');
  await page.getByRole('heading', { name: 'fake' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'fake' }).waitFor();
  expect(page.url()).not.toContain(token);
  expect(await page.evaluate('JSON.stringify(localStorage) + document.cookie')).not.toContain(
    token,
  );
  const other = await page.context().newPage();
  await other.goto(server.url);
  await other.getByLabel('Token').waitFor();
  expect(troubles.filter((text) => !text.includes('401'))).toEqual([]);
});

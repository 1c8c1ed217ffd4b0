/** What `docs/http.md` says of the door, beside what the door does. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ERROR_CODES, fault, isErrorCode } from '../../src/errors.js';
import { fromFault } from '../../src/http/errors.js';
import { ChatRequest } from '../../src/http/openai/schema.js';
import { ask, call, chat, documents, startServe, startTask, startUp, status } from './support.js';

const page = readFileSync(join(import.meta.dirname, '../../docs/http.md'), 'utf8');
const section = (title: string) => page.split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? '';

test('every field that a request may have is described', () => {
  const asking = section('Asking');
  const unnamed = Object.keys(ChatRequest.shape).filter((name) => !asking.includes(`\`${name}`));
  expect(unnamed).toEqual([]);
});

test('every error is listed under its status', () => {
  const lines = section('Errors').split('\n');
  // These belong to the other door.
  const others = new Set(['line_too_long', 'duplicate_id']);
  for (const code of Object.keys(ERROR_CODES).filter((name) => !others.has(name))) {
    if (!isErrorCode(code)) continue;
    const { status: wanted } = fromFault(fault(code, ''));
    const line = lines.find(
      (text) => text.includes(`\`${code}\``) && text.includes(String(wanted)),
    );
    expect(line, `${code} under ${wanted}`).toBeDefined();
  }
});

test('the example with curl is answered, and every call it names is there', async () => {
  const server = await startServe(documents(), '--engine', 'extract');
  const body = /-d '(\{"messages".*\})'/.exec(page)?.[1] ?? '';
  expect(await chat(server, body)).toMatchObject({ status: 200 });
  const calls = [...page.matchAll(/\| `(GET|POST) (\/[a-z0-9/]+)(\{id\})?`/g)];
  expect(calls.length).toBeGreaterThan(5);
  for (const [, method = '', path = '', id = ''] of calls) {
    const reply = await call(`${server.url}${path}${id && 'none'}`, { method });
    expect(JSON.stringify(reply.body), path).not.toContain('no such address');
  }
});

test('the example of a task has the keys that a task has', async () => {
  const server = await startUp('--engine', 'fake');
  const shown = [...page.matchAll(/^← (\{[\s\S]*?\}\}?)$/gm)].map(([, text = '']) =>
    JSON.parse(text),
  );
  const [started, running] = shown;
  const { body } = await chat(
    server,
    ask('!fake delay=600000 deltas=3000', { polling_mode: true }),
  );
  expect(Object.keys(body)).toEqual(Object.keys(started));
  const id = await startTask(server, `!fake delay=600000 deltas=3000 ${'long '.repeat(100)}`);
  for (;;) {
    const found = await status(server, id);
    if ((found.progress as { partial_response?: string }).partial_response === undefined) continue;
    expect(Object.keys(found)).toEqual(Object.keys(running));
    expect(Object.keys(found.progress as object)).toEqual(Object.keys(running.progress));
    break;
  }
});

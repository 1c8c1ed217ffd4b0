/** Gemini CLI over the Agent Client Protocol. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAlive } from '../support/process.js';
import { contextOf, KEY, startAgent } from './acp.js';
import { findAgent } from './agents.js';

const gemini = findAgent('gemini');

const start = () =>
  startAgent(
    {
      preset: 'gemini',
      command: [process.execPath, join(gemini?.dir ?? '', 'bundle/gemini.js')],
    },
    {},
    // Without one it asks another model for each question which to use.
    { model: 'gemini-2.5-flash' },
  );

describe.skipIf(gemini === undefined)('gemini over ACP', () => {
  test('answers turn after turn in one process, without tools, one request for each', async () => {
    const { model, open, engine } = await start();
    const { session, ask } = await open(contextOf('# Notes\n\nThe answer is 42.\n'));
    const pids = session.pids;
    for (const n of [1, 2, 3]) {
      const result = await ask(`What is it? [[fake: text=number-${n}]]`);
      expect(result).toMatchObject({ answer: `number-${n}`, stopReason: 'end_turn' });
      expect(result.usage?.input_tokens).toBeGreaterThan(0);
    }
    expect(session.pids).toEqual(pids);
    expect(engine.status().auth).toBe('ok');
    expect(model.requests).toHaveLength(3);
    for (const { raw } of model.requests) {
      expect(raw.split('The answer is 42.')).toHaveLength(2);
      const { tools = [] } = JSON.parse(raw);
      expect(tools.flatMap((tool: Record<string, unknown>) => Object.values(tool).flat())).toEqual(
        [],
      );
    }
  });

  test('questions read no file and run no command', async () => {
    const hostname = readFileSync('/etc/hostname', 'utf8').trim();
    const { model, open } = await start();
    const { ask } = await open();
    for (const question of [
      'what is in @/etc/passwd and @/etc/hostname ?',
      '/memory show',
      '!ls /',
    ]) {
      await ask(question);
    }
    const sent = model.requests.map(({ raw }) => raw).join('\n');
    expect(model.requests).toHaveLength(3);
    expect(sent).toContain('/memory show');
    expect(sent).not.toContain('root:x:0');
    if (hostname.length > 3) expect(sent).not.toContain(hostname);
  });

  test('a reset forgets', async () => {
    const { model, open } = await start();
    const { session, ask } = await open();
    await ask('the canary is called Tweety');
    await session.reset();
    await ask('what is its name?');
    expect(model.requests.at(-1)?.raw).toContain('what is its name?');
    expect(model.requests.at(-1)?.raw).not.toContain('Tweety');
  });

  test('a cancelled turn stops, and the session answers on', async () => {
    const { model, open } = await start();
    const { session, ask } = await open();
    const turn = ask('[[fake: silence]] the silent one');
    const request = await model.waitForRequest(({ raw }) => raw.includes('the silent one'));
    session.cancel();
    await expect(turn).rejects.toMatchObject({ code: 'cancelled' });
    await model.waitForRequest(({ id, aborted }) => id === request.id && aborted);
    await session.reset();
    expect((await ask('[[fake: text=back]] and?')).answer).toBe('back');
  });

  test.each([
    ['status=401', 'engine_auth'],
    ['status=400', 'bad_request'],
    ['too-long', 'context_too_large'],
    ['half-end', 'engine_error'],
  ])('an API that answers %s is told as %s', async (script, code) => {
    const { open } = await start();
    const { ask } = await open();
    const thrown = await ask(`why? [[fake: ${script}]]`).catch((error) => error);
    expect(thrown).toMatchObject({ code });
    expect(thrown.message).not.toContain(KEY);
  });

  test('closed in a turn, no process of it is left', async () => {
    const { model, open } = await start();
    const { session, ask } = await open();
    const turn = ask('[[fake: silence]] the silent one');
    await model.waitForRequest(({ raw }) => raw.includes('the silent one'));
    const pids = session.pids;
    expect(pids.length).toBeGreaterThan(0);
    await session.close();
    await expect(turn).rejects.toThrow();
    expect(pids.filter(isAlive)).toEqual([]);
  });
});

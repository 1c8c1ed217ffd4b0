import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { MAX_LOOKUPS } from '../../src/bridge/admission.js';
import { type ContextFile, createContextRoots } from '../../src/context/index.js';
import { fault } from '../../src/errors.js';
import { settled } from '../support/fake-clock.js';
import { contextNamed, type Heard, startBridge } from './harness.js';

/** Context roots whose answers the test gives, in the order it likes. */
class HeldRoots {
  readonly asked: (string | undefined)[] = [];
  readonly #held = new Map<string | undefined, ((found: ContextFile | Error) => void)[]>();

  resolve(name: string | undefined): Promise<ContextFile | undefined> {
    this.asked.push(name);
    if (name === undefined) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const held = this.#held.get(name) ?? [];
      held.push((found) => (found instanceof Error ? reject(found) : resolve(found)));
      this.#held.set(name, held);
    });
  }

  async give(name: string, found: ContextFile | Error = contextNamed(name)): Promise<void> {
    for (const give of this.#held.get(name) ?? []) give(found);
    this.#held.delete(name);
    await settled();
  }
}

async function startHeld() {
  const roots = new HeldRoots();
  return { ...(await startBridge({ options: { contexts: roots } })), roots };
}

/** Real files below a root of their own. */
async function startReal(files: Record<string, string>) {
  const root = mkdtempSync(join(tmpdir(), 'warmline-bridge-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
  const contexts = await createContextRoots({ roots: [root], maxBytes: 1_000 });
  return { root, ...(await startBridge({ options: { contexts } })) };
}

/** Waits for an outcome that real files are part of. */
async function over(heard: Heard): Promise<Heard> {
  while (heard.outcomes.length === 0) await settled();
  return heard;
}

test('a context file is found, cited, and its absence told with its own code', async () => {
  const { ask } = await startReal({ 'NOTES.md': 'a line\n', 'BIG.md': 'x'.repeat(2_000) });
  const found = await over(ask({ question: 'Why?', contextFile: 'NOTES.md' }));
  expect(found.reply?.sources).toEqual(['NOTES.md:1-1']);
  const codes = ['GONE.md', 'BIG.md', '../etc/passwd'].map(async (contextFile) => {
    return (await over(ask({ question: 'Why?', contextFile }))).error?.code;
  });
  expect(await Promise.all(codes)).toEqual([
    'context_missing',
    'context_too_large',
    'context_denied',
  ]);
});

test('a default context serves questions that name none, as soon as it is there', async () => {
  const { root, clock, ask } = await startReal({});
  expect((await over(ask('Why?'))).reply?.sources).toEqual([]);
  writeFileSync(join(root, 'SESSION-RESUME.md'), 'a line\n');
  await clock.advance(1_000);
  expect((await over(ask('Why?'))).reply?.sources).toEqual(['SESSION-RESUME.md:1-1']);
});

test('without a default context a question takes no detour', async () => {
  const { roots, ask } = await startHeld();
  const before = roots.asked.length;
  for (let query = 0; query < 5; query += 1) ask('Why?');
  expect(roots.asked.length).toBe(before);
});

test('questions about one file share its look-up', async () => {
  const { roots, clock, ask } = await startHeld();
  const asked = ['one', 'two', 'three'].map((question) => ask({ question, contextFile: 'a.md' }));
  expect(roots.asked.filter((name) => name === 'a.md')).toHaveLength(1);
  await roots.give('a.md');
  await clock.advance(10);
  expect(asked.map(({ reply }) => reply?.answer)).toEqual([
    'fake: one',
    'fake: two',
    'fake: three',
  ]);
});

test('queries of one key keep their order although their files take differently long', async () => {
  const { roots, clock, ask } = await startHeld();
  const session = 'k';
  ask({ question: 'one', contextFile: 'slow.md', session });
  ask({ question: 'two', contextFile: 'fast.md', session });
  ask({ question: 'three', session });
  const other = ask({ question: 'other', contextFile: 'fast.md' });
  await roots.give('fast.md');
  await clock.advance(10);
  expect(other.reply?.answer).toBe('fake: other');
  await roots.give('slow.md');
  await clock.advance(10);
  const history = ask({ question: '!fake history', session });
  await clock.advance(10);
  expect(JSON.parse(history.reply?.answer ?? '')).toEqual(['one', 'two', 'three']);
});

test('a file that cannot be found fails its query and lets the next of the key pass', async () => {
  const { roots, clock, ask } = await startHeld();
  const session = 'k';
  const lost = ask({ question: 'one', contextFile: 'lost.md', session });
  const next = ask({ question: 'two', session });
  await roots.give('lost.md', fault('context_missing', 'lost.md is not there'));
  await clock.advance(10);
  expect(lost.error).toMatchObject({ code: 'context_missing' });
  expect(next.reply?.answer).toBe('fake: two');
});

test('a query cancelled while its file is looked up ends at once and never runs', async () => {
  const { roots, bridge, clock, ask } = await startHeld();
  const cancelled = ask({ question: 'one', contextFile: 'a.md', session: 'k' });
  const next = ask({ question: 'two', contextFile: 'a.md', session: 'k' });
  cancelled.ticket?.cancel();
  expect(cancelled.error).toMatchObject({ code: 'cancelled' });
  await roots.give('a.md');
  await clock.advance(10);
  expect(next.reply?.answer).toBe('fake: two');
  expect(bridge.stats()).toMatchObject({ in_flight: 0, engines: { fake: { turns: 1 } } });
});

test('the time of a query runs while its file is looked up', async () => {
  const { roots, clock, ask } = await startHeld();
  const heard = ask({ question: 'one', contextFile: 'a.md', timeoutMs: 100 });
  await clock.advance(200);
  await roots.give('a.md');
  await clock.advance(10);
  expect(heard.error).toMatchObject({ code: 'timeout' });
});

test('look-ups have a bound of their own', async () => {
  const { roots, clock, ask } = await startHeld();
  const asked = Array.from({ length: MAX_LOOKUPS + 1 }, (_, index) =>
    ask({ question: `${index}`, contextFile: 'a.md' }),
  );
  await settled();
  expect(asked.at(-1)?.error).toMatchObject({ code: 'busy', retryAfterMs: 100 });
  await roots.give('a.md');
  await clock.advance(10);
  expect(asked.slice(0, -1).every(({ reply }) => reply !== undefined)).toBe(true);
});

test('a bridge that closes during a look-up ends its query too', async () => {
  const { roots, bridge, ask } = await startHeld();
  const heard = ask({ question: 'one', contextFile: 'a.md' });
  await bridge.close();
  await roots.give('a.md');
  expect(heard.error).toMatchObject({ code: 'shutting_down' });
});

test('spares of an engine that binds to a context open for the default one', async () => {
  const contexts = { resolve: async () => contextNamed('SESSION-RESUME.md') };
  const { bridge, ask } = await startBridge({ fake: { binds: 'context' }, options: { contexts } });
  expect(bridge.sessions()).toMatchObject([{ context: 'SESSION-RESUME.md', state: 'ready' }]);
  const heard = ask('Why?');
  await settled();
  expect(heard.positions).toEqual([]);
  expect(heard.reply?.sources).toEqual(['SESSION-RESUME.md:1-1']);
});

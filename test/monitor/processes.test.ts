import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { answer, TempBus } from '../support/temp-bus.js';

const MESSAGES = 5000;
const CONVERSATIONS = 1000;
/** Each of these but the first is a change. */
const STEPS = ['pending:0', 'processing:1', 'pending:1', 'processing:2', 'complete:2'];

interface Child {
  readonly process: ChildProcess;
  readonly lines: AsyncIterator<string>;
  /** The exit code; null after a kill. */
  readonly ended: Promise<number | null>;
}

/** Runs a script of `children` against the built program; it is gone when the test ends. */
function start(script: string, ...words: string[]): Child {
  const file = join(import.meta.dirname, 'children', script);
  const child = spawn(process.execPath, [file, ...words], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    process: child,
    lines: createInterface({ input: child.stdout })[Symbol.asyncIterator](),
    ended: once(child, 'exit').then(([code]) => code as number | null),
  };
}

async function line(child: Child): Promise<string> {
  const next = await child.lines.next();
  if (next.done) throw new Error(`it ended (exit ${await child.ended})`);
  return next.value;
}

interface Told {
  readonly seq: number;
  readonly id: number;
  readonly status: string;
}

function toldIn(file: string): Told[] {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((text) => {
      const [seq, id, status = ''] = text.split(' ');
      return { seq: Number(seq), id: Number(id), status };
    });
}

describe('a monitor among other processes', () => {
  test('tells 20,000 changes of 5,000 messages once each and in order, across its own kill', async () => {
    const temp = new TempBus();
    const conversations = temp.peer.transaction(() =>
      Array.from({ length: CONVERSATIONS }, () => temp.addConversation()),
    )();
    const ids = temp.askMany(MESSAGES, conversations);
    const idsFile = join(temp.dir, 'ids.json');
    const out = join(temp.dir, 'told.txt');
    writeFileSync(idsFile, JSON.stringify(ids));

    const first = start('watch.mjs', temp.file, idsFile, out);
    // Where each stands is told before the first of them changes.
    while (Number(await line(first)) < MESSAGES);
    const worker = start('attempt-twice.mjs', temp.file, String(MESSAGES));
    while (Number(await line(first)) < MESSAGES + 7000);
    first.process.kill('SIGKILL');
    await first.ended;
    expect(await line(worker)).toBe('half');
    worker.process.stdin?.write('go on\n');

    const before = toldIn(out);
    expect(before.length).toBeGreaterThanOrEqual(MESSAGES + 7000);
    expect(before.length).toBeLessThan(MESSAGES + 20_000);
    const finished = new Set(
      before.filter(({ status }) => status.startsWith('complete')).map(({ id }) => id),
    );
    writeFileSync(idsFile, JSON.stringify(ids.filter((id) => !finished.has(id))));
    const second = start('watch.mjs', temp.file, idsFile, out, String(before.at(-1)?.seq));
    expect(await line(worker)).toBe('drained');
    const said: string[] = [];
    do said.push(await line(second));
    while (said.at(-1) !== 'finished');
    expect(await second.ended).toBe(0);
    expect(said).not.toContain('gap');

    const told = toldIn(out);
    expect(told.length).toBe(MESSAGES + 20_000);
    const steps = new Map<number, string[]>();
    for (const { id, status } of told) steps.set(id, [...(steps.get(id) ?? []), status]);
    const wrong = ids.filter((id) => steps.get(id)?.join() !== STEPS.join());
    expect(wrong).toEqual([]);
    // Under numbers that only rise, in both lives.
    const numbers = told.slice(MESSAGES).map(({ seq }) => seq);
    expect(numbers.filter((seq, at) => seq <= (numbers[at - 1] ?? 0))).toEqual([]);
  });

  test('goes on telling after a listener that throws, and ends when it is closed', async () => {
    const temp = new TempBus();
    const worker = temp.open();
    const ids = temp.askMany(3, [temp.addConversation()]);
    for (let left = ids.length; left > 0; left -= 1) {
      const [lease] = await worker.claim({ limit: 1, leaseMs: 60_000 });
      if (lease) await worker.complete(lease, answer());
    }
    const child = start('throw.mjs', temp.file, ...ids.map(String));
    expect(JSON.parse(await line(child))).toEqual({ told: ids, thrown: 3 });
    expect(await child.ended).toBe(0);
  });
});

import { expect, test } from 'vitest';
import { answerAll, end } from '../bus/letters.js';
import { type Ended, warmline } from '../support/process.js';
import { TempBus } from '../support/temp-bus.js';

const ESCAPE = '\u001b]0;owned\u0007\u001b[2J';

/** A bus with dead letters, as a process that had to give up leaves it. */
async function deadBus() {
  const temp = new TempBus();
  const conversation = temp.addConversation();
  const bus = temp.open();
  const limits = [
    temp.ask(conversation, `why?${ESCAPE}`),
    temp.ask(conversation, 'x'.repeat(5000)),
  ];
  await end(bus, { code: 'engine_limit', engine: 'claude' });
  const errors = [temp.ask(conversation, 'and this?')];
  await end(bus, { code: 'engine_error', engine: 'fake' });
  const failed = [temp.ask(conversation, 'from what?')];
  await end(bus, { code: 'context_missing', dead: false });
  await bus.close();
  return { temp, conversation, limits, errors, failed, run: onBus(temp.file) };
}

function onBus(file: string) {
  return (...words: string[]): Promise<Ended> => warmline([...words, '--db', file]);
}

async function json(
  ended: Promise<Ended>,
): Promise<{ code: number | null; data: Record<string, unknown> }> {
  const { code, stdout, stderr } = await ended;
  expect(stderr).toBe('');
  return { code, data: JSON.parse(stdout) };
}

test.each(['dead', 'dead show', 'redrive', 'verify'])(
  '%s --help explains itself, with --json and --db',
  async (command) => {
    const { code, stdout, stderr } = await warmline([...command.split(' '), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: warmline ${command} `));
    expect(stdout).toMatch(/--json[\s\S]*--db <FILE>/);
  },
);

test('dead letters are listed, shown, asked again one by one, by filter and all, and answered', async () => {
  const { temp, run, limits, errors, failed } = await deadBus();
  const [why = 0, long = 0] = limits;
  const [error = 0] = errors;
  const ids = (data: Record<string, unknown>, list: string) =>
    (data[list] as { message_id: number }[]).map(({ message_id: id }) => id);

  const all = await json(run('dead', '--json', '--failed'));
  expect(all).toMatchObject({ code: 0, data: { next_before: null } });
  expect(ids(all.data, 'dead_letters')).toEqual([...failed, error, long, why]);
  const page = await json(run('dead', '--json', '--limit', '2'));
  expect(ids(page.data, 'dead_letters')).toEqual([error, long]);
  const rest = await json(run('dead', '--json', '--before', String(page.data.next_before)));
  expect(ids(rest.data, 'dead_letters')).toEqual([why]);
  const list = await run('dead', '--code', 'engine_limit', '--since', '1d');
  expect(list.stdout).toContain('why?]0;owned[2J');
  expect(list.stdout).not.toContain('\u001b');
  expect(Math.max(...list.stdout.split('\n').map((line) => line.length))).toBeLessThan(250);

  const shown = await run('dead', 'show', String(why));
  expect(shown).toMatchObject({ code: 0, stderr: '' });
  expect(shown.stdout).toMatch(
    /Question \d+: dead[\s\S]*why\?[\s\S]*Attempts[\s\S]*claude[\s\S]*Answer\nError: it broke/,
  );
  expect(shown.stdout).not.toContain('\u001b');

  const one = await json(run('redrive', String(error), '--json'));
  expect(one.code).toBe(0);
  const [{ again_id: againId }] = one.data.redriven as [{ again_id: number }];
  expect((await run('dead', 'show', String(error))).stdout).toContain(
    `as question ${againId} (unseen)`,
  );
  const dry = await json(run('redrive', '--code', 'engine_limit', '--dry-run', '--json'));
  expect(dry.data).toEqual({
    dry_run: true,
    redriven: [{ message_id: why }, { message_id: long }],
    refused: [],
  });
  expect(
    ids((await json(run('redrive', '--code', 'engine_limit', '--json'))).data, 'redriven'),
  ).toEqual(limits);
  const rested = await json(run('redrive', '--all', '--failed', '--json'));
  expect(ids(rested.data, 'redriven')).toEqual(failed);

  const answered = await answerAll(temp.open());
  expect(answered).toHaveLength(4);
  expect((await json(run('dead', 'show', String(againId), '--json'))).data).toMatchObject({
    status: 'complete',
    redrive_of: error,
    query_id: 'q_1',
    answer: { answer: 'an answer', query_id: 'q_1' },
  });
  expect(await run('verify')).toMatchObject({ code: 0, stdout: 'the queue is as it should be\n' });
});

test('what cannot be asked again is told, with exit code 1; words that do not fit, with 2', async () => {
  const { run, errors } = await deadBus();
  const [error = 0] = errors;
  const both = await run('redrive', String(error), '999');
  expect(both.code).toBe(1);
  expect(both.stdout).toMatch(
    /question \d+ is asked again as question \d+\nnot asked again: there is no question 999/,
  );
  expect(await run('dead', 'show', '999')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('no message 999'),
  });
  const wrong = [
    ['redrive'],
    ['redrive', '--all', '7'],
    ['redrive', '--all', '--code', 'x'],
    ['redrive', 'seven'],
    ['redrive', '--since', 'yesterday'],
    ['dead', '--limit', '0'],
    ['dead', 'show', '0'],
    ['dead', 'show'],
  ];
  for (const words of wrong) {
    const { code, stdout, stderr } = await run(...words);
    expect({ words, code, stdout }).toEqual({ words, code: 2, stdout: '' });
    expect(stderr).toMatch(/^warmline: /);
  }
});

test('verify tells what is wrong with exit code 1, and puts it right with --repair', async () => {
  const temp = new TempBus();
  const run = onBus(temp.file);
  const conversation = temp.addConversation();
  const ids = temp.askMany(3, [conversation]);
  const bus = temp.open();
  await bus.claim({ limit: 1, leaseMs: 30_000 }).then(([lease]) => lease && bus.release(lease));
  temp.peer.exec('UPDATE warmline_lanes SET unfinished = 7');
  const sentence = `conversation ${conversation} has 3 unfinished questions in its lane, and 7 are counted`;

  const told = await run('verify');
  expect(told.code).toBe(1);
  expect(told.stdout).toContain(sentence);
  const finding = { kind: 'lane', message: sentence };
  expect(await json(run('verify', '--json'))).toEqual({
    code: 1,
    data: { ok: false, findings: [finding], repaired: [] },
  });
  const mended = await run('verify', '--repair');
  expect(mended.code).toBe(0);
  expect(mended.stdout).toContain(sentence);
  expect(await json(run('verify', '--json'))).toEqual({
    code: 0,
    data: { ok: true, findings: [], repaired: [] },
  });
  expect(await answerAll(temp.open())).toEqual(ids);
});

test('a bus that is not there is told with exit code 78', async () => {
  expect(await onBus('/nowhere/bus.db')('verify')).toMatchObject({ code: 78 });
});

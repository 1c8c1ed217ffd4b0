import { expect, test } from 'vitest';
import { answerAll, end } from '../bus/letters.js';
import { type Ended, warmline } from '../support/process.js';
import { QUESTION_METADATA, query, TempBus } from '../support/temp-bus.js';

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
    `as question ${againId} (pending)`,
  );
  const dry = await json(run('redrive', '--code', 'engine_limit', '--dry-run', '--json'));
  expect(dry.data).toEqual({
    dry_run: true,
    failed_children: [],
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
    ['dead', '1'],
    ['dead', 'show', '0'],
    ['dead', 'show'],
  ];
  for (const words of wrong) {
    const { code, stdout, stderr } = await run(...words);
    expect({ words, code, stdout }).toEqual({ words, code: 2, stdout: '' });
    expect(stderr).toMatch(/^warmline: /);
  }
});

test('dead with a message id says how one question is shown', async () => {
  const { run } = await deadBus();
  expect((await run('dead', '1')).stderr).toBe(
    'warmline: to see question 1: warmline dead show 1\n',
  );
});

test('when a filter matches nothing, the filter is to blame only if something was given up', async () => {
  const { run, conversation } = await deadBus();
  const filter = ['--code', 'busy', '--conversation', conversation];
  const none = 'none of the 3 that were given up matches\n';
  expect((await run('dead', ...filter)).stdout).toBe(none);
  expect((await run('redrive', ...filter)).stdout).toBe(none);
  expect((await run('dead', '--failed', ...filter)).stdout).toBe(
    'none of the 4 that were given up or got an error answer matches\n',
  );
  const again = ['redrive', '--code', 'engine_error'];
  expect((await run(...again)).stdout).toMatch(/is asked again as/);
  expect((await run(...again)).stdout).toMatch(/asked again already; --again/);
  const empty = onBus(new TempBus().file);
  expect((await empty('dead', ...filter)).stdout).toBe('no question was given up\n');
  expect((await empty('redrive', ...filter)).stdout).toBe('no question was given up\n');
});

test('redrive names what failed because of the questions it asks again', async () => {
  const temp = new TempBus();
  const run = onBus(temp.file);
  const ask = (...parents: unknown[]) =>
    temp.insert({
      conversationId: temp.addConversation(),
      message: query('why?', { depends_on: parents, query_id: `q_${temp.rows().length}` }),
      metadata: QUESTION_METADATA,
    });
  const bus = temp.open();
  const parent = temp.ask(temp.addConversation(), 'first?');
  const stranger = ask();
  await end(bus);
  const child = ask(parent);
  const grandchild = ask('q_4');
  const other = ask(stranger);
  await end(bus, { code: 'parent_failed', dead: false });
  const failed = await json(run('dead', '--failed', '--code', 'parent_failed', '--json'));
  expect(failed.data.dead_letters).toMatchObject(
    [other, grandchild, child].map((id) => ({ message_id: id })),
  );
  expect((await run('redrive', String(parent))).stdout).toContain(
    `failed because of that: ${child}, ${grandchild}; to ask them again too: warmline redrive ${child} ${grandchild} --failed --db ${temp.file}`,
  );
  const next = await json(run('redrive', String(child), '--failed', '--json'));
  expect(next.data).toMatchObject({ failed_children: [{ message_id: grandchild }] });
});

test('the time a question was asked has its zone', async () => {
  const { run, failed } = await deadBus();
  const shown = await json(run('dead', 'show', String(failed[0]), '--json'));
  expect(shown.data.asked_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
});

test('a watermark that was put right has to be told to autopolls that run', async () => {
  const temp = new TempBus();
  const run = onBus(temp.file);
  const bus = temp.open();
  temp.ask(temp.addConversation(), 'why?');
  await answerAll(bus);
  temp.peer.exec('UPDATE warmline_cursor SET last_id = last_id + 100');
  const repair = `warmline verify --repair --db ${temp.file}`;
  expect((await run('verify')).stdout).toContain(`to put it right: ${repair}`);
  expect((await run('verify', '--repair')).stdout).toContain('restart the autopolls that run');
  expect((await run('verify')).stdout).not.toContain('restart');
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

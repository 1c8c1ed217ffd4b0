import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { CLI, Program, warmline } from '../support/process.js';
import { Terminal } from '../support/terminal.js';
import { PollHouse } from './poll-house.js';

interface Listed {
  readonly message_id: number;
  readonly status: string;
  readonly age_ms: number;
  readonly source: string;
  readonly target: string;
  readonly question: string;
}

/** Questions that nobody answers, each in a conversation of its own. */
async function asked(house: PollHouse, ...questions: string[]): Promise<number[]> {
  const ids: number[] = [];
  for (const question of questions) ids.push(await house.ask(question));
  return ids;
}

async function listed(house: PollHouse, ...words: string[]) {
  const { questions, next_before: next } = await house.json('list', ...words);
  return { questions: questions as Listed[], next };
}

const idsOf = (questions: readonly Listed[]) => questions.map((each) => each.message_id);

test('list shows questions with their states, the latest first, a page at a time', async () => {
  const house = new PollHouse();
  const [first = 0, second = 0, third = 0] = await asked(house, 'one', 'two', 'three');
  const { stdout } = await house.poll('list');
  expect(stdout).toMatch(
    /^message +status +age +attempts +error +from +to +conversation +question/,
  );
  expect(stdout).toMatch(/^ +3 +pending .* asker +warmline +conv_[0-9a-f]{16} +three$/m);

  const [conversation] = /conv_[0-9a-f]{16}/.exec(stdout) ?? [];
  const inOne = await listed(house, '--conversation', String(conversation));
  expect(idsOf(inOne.questions)).toEqual([third]);
  const page = await listed(house, '--limit', '2');
  expect(idsOf(page.questions)).toEqual([third, second]);
  expect((await house.poll('list', '--limit', '2')).stdout).toContain(
    `older ones: --before ${page.next}`,
  );
  const rest = await listed(house, '--before', String(page.next));
  expect(rest).toMatchObject({ questions: [{ message_id: first }], next: null });
});

test('list has one line for each question where a terminal is narrow', async () => {
  const house = new PollHouse();
  await asked(house, 'word '.repeat(100), 'two');
  const words = [process.execPath, CLI, 'poll', 'list', '--db', house.db];
  const terminal = new Terminal(words, house.around, { columns: 80, rows: 24 });
  expect((await terminal.ended).code).toBe(0);
  const lines = terminal.history.trimEnd().split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[2]).toMatch(/ 1 +pending .* warmline +word word .*…$/);
});

test('list takes the words for states, one or several, and no others', async () => {
  const house = new PollHouse();
  const done = await house.ask('one');
  const { code } = await warmline(
    ['autopoll', '--once', '--db', house.db, ...(await house.bridge())],
    house.around,
  );
  expect(code).toBe(0);
  const [waits = 0, cancelled = 0, removed = 0] = await asked(house, 'two', 'three', 'four');
  await house.poll('cancel', String(cancelled));
  await house.poll('remove', String(removed));

  const words = {
    pending: [waits],
    active: [waits],
    processing: [],
    complete: [done],
    completed: [done],
    failed: [],
    timeout: [],
    cancelled: [cancelled],
    ignored: [removed],
    expired: [],
    dead: [],
    'ignored,active': [removed, waits],
  };
  for (const [word, ids] of Object.entries(words)) {
    const { questions } = await listed(house, '--status', word);
    expect([word, idsOf(questions)]).toEqual([word, ids]);
  }
  const none = await house.poll('list', '--status', 'dead');
  expect(none).toMatchObject({ code: 0, stdout: 'no question matches\n' });
  const wrong = await house.poll('list', '--status', 'finished');
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toContain('completed');
});

test('no age is negative, whatever time a row names', async () => {
  const house = new PollHouse();
  const [id = 0] = await asked(house, 'from tomorrow');
  const db = new Database(house.db);
  db.prepare('UPDATE messages SET timestamp = ?').run('2099-01-01T00:00:00.000000');
  db.close();
  expect((await listed(house)).questions).toMatchObject([{ message_id: id, age_ms: 0 }]);
  expect(await house.json('status', '--port', '1')).toMatchObject({ pending: 1, oldest_age_ms: 0 });
});

test('show tells a question, its attempts, its answer and where that comes from', async () => {
  const house = new PollHouse();
  await house.start(...(await house.bridge({ engine: 'extract' })));
  const words = [...TASK, '--context', 'GUIDE.md', 'Where does the kettle stand?'];
  const id = Number((await house.json('add', ...words)).message_id);
  await house.answered(id);
  const { code, stdout } = await house.poll('show', String(id));
  expect(code).toBe(0);
  expect(stdout).toMatch(new RegExp(`^Question ${id}: complete\\n`));
  expect(stdout).toMatch(/^attempt +claimed +started +first byte +ended +outcome +engine/m);
  expect(stdout).toMatch(/^ +1 +\S+Z +\+\S+ ms .* complete +extract/m);
  expect(stdout).toMatch(/\nAnswer\n.*The kettle stands on the shelf\./);
  expect(stdout).toMatch(/\nSources\n {2}GUIDE\.md:\d/);
  expect(stdout).toContain('from billing to docs');
  expect(await house.json('show', String(id))).toMatchObject({
    message_id: id,
    query_id: 'task-7',
    status: 'complete',
    source: 'billing',
    target: 'docs',
    attempts: [{ attempt: 1, outcome: 'complete' }],
    answer: { query_id: 'task-7', sources: [expect.stringContaining('GUIDE.md:')] },
  });
});

test('show says why a question waits', async () => {
  const house = new PollHouse();
  const [id = 0] = await asked(house, 'anybody?');
  expect((await house.poll('show', String(id))).stdout).toContain('no autopoll works on this bus');
  await house.start(...(await house.bridge()));
  await house.answered(id);
  const first = await house.json('add', ...TASK, '!fake silent');
  const second = await house.json('add', '--task-id', 'task-8', ...TASK.slice(2), 'behind it');
  await house.busy();
  const { stdout } = await house.poll('show', String(second.message_id));
  expect(stdout).toContain(`pending: behind question ${first.message_id} of its conversation`);
  expect(stdout).not.toContain('no autopoll works');
});

test.each(['show', 'cancel', 'remove', 'retry'])('%s of no question says so', async (name) => {
  const house = new PollHouse();
  const missing = await house.poll(name, '4711');
  expect(missing).toMatchObject({ code: 1, stdout: '' });
  expect(missing.stderr).toMatch(/message 4711 (is no question )?on /);
  const wrong = await house.poll(name, 'first');
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('no message id') });
});

const TASK = ['--task-id', 'task-7', '--source', 'billing', '--target', 'docs'];

test('a task that is added twice is there once; another one of its name is refused', async () => {
  const house = new PollHouse();
  const added = await house.poll('add', ...TASK, 'where is the kettle?');
  expect(added).toMatchObject({ code: 0, stderr: '' });
  const [, id] = /^message (\d+) in conversation conv_[0-9a-f]{16}\n$/.exec(added.stdout) ?? [];

  const again = await house.poll('add', ...TASK, 'where is the kettle?');
  expect(again).toMatchObject({ code: 0, stdout: `task task-7 is there already: message ${id}\n` });
  const other = await house.poll('add', ...TASK, 'where is the cup?');
  expect(other).toMatchObject({ code: 1, stdout: '' });
  expect(other.stderr).toMatch(new RegExp(`is message ${id} already, with another question`));
  // The same name between other modules is another task.
  const others = ['--task-id', 'task-7', '--source', 'shop', '--target', 'docs'];
  expect(await house.json('add', ...others, 'where is the cup?')).toMatchObject({ added: true });

  const { questions } = await listed(house);
  expect(questions).toMatchObject([
    { source: 'shop', target: 'docs' },
    { message_id: Number(id), source: 'billing', target: 'docs' },
  ]);
});

test('a task that many add at once is there once', async () => {
  const house = new PollHouse();
  const ended = await Promise.all(
    Array.from({ length: 6 }, () => house.json('add', ...TASK, 'who is first?')),
  );
  expect(new Set(ended.map((each) => each.message_id)).size).toBe(1);
  expect(ended.filter((each) => each.added === true)).toHaveLength(1);
  expect((await listed(house)).questions).toHaveLength(1);
});

test('a question comes from standard input when none is given', async () => {
  const house = new PollHouse();
  const words = ['poll', 'add', '--db', house.db, ...TASK];
  const shell = `printf 'first line\\nsecond "line"\\n' | "$0" "$@"`;
  const piped = new Program('sh', ['-c', shell, process.execPath, CLI, ...words], house.around);
  expect(await piped.ended).toMatchObject({ code: 0, stderr: '' });
  const { questions } = await listed(house);
  expect(questions[0]?.question).toBe('first line\nsecond "line"');
  // Standard input is empty here.
  const empty = await house.poll('add', ...TASK);
  expect(empty).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('there is none on standard input'),
  });
});

test.each([
  ['--task-id', 'two words'],
  ['--task-id', ''],
  ['--source', ' '],
  ['--target', 'x'.repeat(201)],
])('add %s %j is used wrongly', async (flag, value) => {
  const house = new PollHouse();
  const { code, stderr } = await house.poll('add', ...TASK, `${flag}=${value}`, 'a question');
  expect(code).toBe(2);
  expect(stderr).toMatch(/^warmline: a (task id|module) has /);
  expect((await listed(house)).questions).toEqual([]);
});

test('cancel ends a question that is being answered; its asker reads that', async () => {
  const house = new PollHouse();
  await house.start(...(await house.bridge()));
  const id = await house.ask('!fake silent');
  await house.busy();
  expect(await house.poll('remove', String(id))).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('to stop that: warmline poll cancel'),
  });
  expect(await house.poll('cancel', String(id))).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(await house.answered(id))).toMatchObject({ error: { code: 'cancelled' } });
  expect(await house.poll('cancel', String(id))).toMatchObject({
    code: 1,
    stderr: `warmline: message ${id} is finished: it cannot be cancelled any more\n`,
  });
  const next = await house.ask('!fake echo free again');
  expect(await house.answered(next)).toContain('free again');
});

test('retry asks a question again that failed, and status names what failed', async () => {
  const house = new PollHouse();
  const bridge = await house.bridge();
  await house.start(...bridge);
  const id = await house.ask('anything', '--context', 'NOWHERE.md');
  await house.answered(id);
  const status = await house.json('status', ...bridge);
  expect(status).toMatchObject({
    failed: 1,
    last_error: { message_id: id, code: 'context_missing', message: expect.any(String) },
  });
  expect((await house.poll('status')).stdout).toMatch(
    new RegExp(`last error +context_missing: .* \\(message ${id}, .* ago\\)`),
  );
  const again = await house.json('retry', String(id));
  expect(again).toMatchObject({
    message_id: id,
    outcome: 'redriven',
    again_id: expect.any(Number),
  });
  expect(await house.answered(Number(again.again_id))).toContain('context_missing');
});

test('what a question or a module holds cannot steer the terminal', async () => {
  const house = new PollHouse();
  const evil = '\u001b[2Jgone\u0007';
  const words = ['--task-id', 't', '--source', `a${evil}`, '--target', 'b', `q${evil}`];
  const { message_id: id } = await house.json('add', ...words);
  for (const words of [['list'], ['show', String(id)], ['status', '--port', '1']]) {
    const { code, stdout } = await house.poll(words[0] ?? '', ...words.slice(1));
    expect(code).toBeLessThan(2);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
  }
});

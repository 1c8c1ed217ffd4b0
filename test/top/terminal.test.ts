/** `warmline top` in a real terminal, on a real bus, beside a real bridge. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { openSqliteBus, type SqliteBus, savePark, saveWorker } from '../../src/bus/index.js';
import { FOREIGN_SCHEMA } from '../../src/bus/sqlite/schema.js';
import { CLI, start, tempDir, warmline } from '../support/process.js';
import { answer, TempBus } from '../support/temp-bus.js';
import { KEYS, type Size, Terminal } from '../support/terminal.js';

/** Nobody listens there: a port of the kind that is never given out by chance. */
const NOBODY = '1';

function watch(bus: TempBus, more: { port?: string; size?: Size; words?: string[] } = {}) {
  const { port = NOBODY, size, words = [] } = more;
  const command = [process.execPath, CLI, 'top', '--db', bus.file, '--port', port, ...words];
  return new Terminal(command, { cwd: bus.dir }, size);
}

async function answerNext(bus: SqliteBus, text = 'an answer') {
  const [lease] = await bus.claim({ limit: 1, leaseMs: 60_000 });
  if (lease === undefined) throw new Error('nothing to answer');
  await bus.complete(lease, answer(text));
}

test('shows the questions of the bus as they come and as they are answered', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversation = temp.addConversation();
  temp.ask(conversation, 'How tall is the lighthouse?');
  const top = watch(temp);
  await top.shows(/pending +\d+ m?s +0 +How tall is the lighthouse\?/);
  await top.shows(/0 processing, 1 pending, oldest/);
  temp.ask(conversation, 'And how old?');
  await top.shows(/And how old\?/);
  await answerNext(bus);
  await top.shows(/complete .* How tall is the lighthouse\?/);
  await top.shows(/1 complete, 0 failed, 0 dead; 1 a minute; p50 /);
});

test('ages go on between changes of the bus', async () => {
  const temp = new TempBus();
  temp.ask(temp.addConversation(), 'How long do I wait?');
  const top = watch(temp, { words: ['--interval', '3600'] });
  const [, first] = await top.shows(/pending +(\d+) s .*How long/);
  await top.until(() => {
    const [, later] = /pending +(\d+) s .*How long/.exec(top.text) ?? [];
    return later !== undefined && Number(later) > Number(first);
  });
});

test('enter shows a question, escape leads back, and the arrows choose', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversation = temp.addConversation();
  temp.ask(conversation, 'the older one');
  temp.ask(conversation, 'the newer one');
  await answerNext(bus, 'the answer to the older one');
  const top = watch(temp, { size: { columns: 80, rows: 12 } });
  await top.shows(/> +2 +pending/);
  top.type(KEYS.down);
  await top.shows(/> +1 +complete/);
  top.type(KEYS.enter);
  await top.shows(/Question 1: complete/);
  await top.shows(/lines 1 to \d+ of \d+/);
  top.type(KEYS.end);
  await top.shows(/the answer to the older one/);
  top.type(KEYS.escape);
  await top.shows(/> +1 +complete/);
});

test('c asks before it cancels, and only y means yes', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const id = temp.ask(temp.addConversation(), 'Does this matter?');
  await bus.claim({ limit: 0, leaseMs: 1000 });
  const top = watch(temp);
  await top.shows(/Does this matter/);
  top.type('c');
  await top.shows(/Cancel question 1\?/);
  top.type('n');
  await top.shows(/enter look/);
  expect(temp.answersTo(id)).toEqual([]);
  top.type('cy');
  await top.shows(/question 1 is cancelled/);
  await top.shows(/cancelled .*Does this matter/);
  expect(temp.answersTo(id)).toHaveLength(1);
});

test('r asks a failed question anew', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  temp.ask(temp.addConversation(), 'Was that all?');
  const [lease] = await bus.claim({ limit: 1, leaseMs: 60_000 });
  const error = { code: 'engine_error', message: 'it broke', attempts: 3, dead: true };
  if (lease) await bus.complete(lease, answer('Error: it broke', { error }));
  const top = watch(temp);
  await top.shows(/dead .*Was that all/);
  top.type('r');
  await top.shows(/question 1 is asked again as question \d+/);
  await top.shows(/pending .*Was that all/);
});

test('a filter shows only the questions that are like it, and escape shows all', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversation = temp.addConversation();
  for (const text of ['red apples', 'green apples', 'red pears']) temp.ask(conversation, text);
  await answerNext(bus);
  const top = watch(temp);
  await top.shows(/red apples/);
  top.type('/complete apples\r');
  await top.until(() => top.text.includes('red apples') && !top.text.includes('green'));
  await top.shows(/only: complete apples/);
  top.type(KEYS.escape);
  await top.shows(/green apples/);
  top.type('/nothing at all\r');
  await top.shows(/no question is like that/);
});

test('tab leads to the conversations, and enter to the questions of one', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const [one, other] = [temp.addConversation(), temp.addConversation()];
  temp.ask(one, 'from the one');
  temp.ask(other, 'from the other');
  await bus.claim({ limit: 1, leaseMs: 60_000 });
  const top = watch(temp);
  await top.shows(/from the other/);
  top.type(KEYS.tab);
  await top.shows(new RegExp(`${one} +processing +1 `));
  await top.shows(new RegExp(`${other} +pending +1 `));
  top.type(KEYS.enter);
  await top.until(() => top.text.includes('from the one') && !top.text.includes('from the other'));
  await top.shows(new RegExp(`only: ${one}`));
});

test('what the autopolls warn of and the engines that take no work are listed', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const nowUs = Date.now() * 1000;
  await savePark(bus, 'claude', {
    engine: 'claude',
    code: 'engine_limit',
    message: 'the limit is used up',
    sinceUs: nowUs - 90_000_000,
    untilUs: Date.UTC(2100, 0, 1) * 1000,
  });
  const warning = { kind: 'dead_letters', subject: '', severity: 'severe', age_ms: 5000 };
  await saveWorker(bus, nowUs, { warnings: [{ ...warning, message: 'a question was given up' }] });
  const top = watch(temp);
  await top.shows(/1 autopoll[\s\S]* warnings \(2\)/);
  top.type(KEYS.tab.repeat(3));
  await top.shows(/parked +1 min \d+ s +engine claude until 2100-01-01T00:00:00Z: engine/);
  await top.shows(/severe +\d+ s +a question was given up/);
});

test('text of others cannot steer the terminal, and wide characters break no row', async () => {
  const temp = new TempBus();
  const conversation = temp.addConversation();
  temp.ask(conversation, `${'漢字'.repeat(60)} 👩‍👩‍👧 end`);
  temp.ask(conversation, '\u001b]0;owned\u0007\u001b[2J\u001b[31mred\u202e\r\nand on');
  const top = watch(temp);
  await top.shows(/\]0;owned\[2J\[31mred and on/);
  await top.shows(/漢字漢字/);
  const rows = top.text.split('\n');
  expect(rows.filter((row) => row.includes('漢字'))).toHaveLength(1);
  expect(rows.at(-1)).toMatch(/q quit/);
  expect(top.raw).not.toContain('\u001b]0;');
});

test.each([
  [200, 50],
  [40, 12],
  [20, 5],
])('fits a terminal of %i by %i, and goes back to what it was', async (columns, rows) => {
  const temp = new TempBus();
  temp.askMany(100, [temp.addConversation()]);
  const top = watch(temp);
  await top.shows(/> +100 .*question 99/);
  top.resize({ columns, rows });
  await top.until(() => {
    const lines = top.text.split('\n');
    return (
      lines.length === rows && /^ bus/.test(lines[0] ?? '') && /^ enter/.test(lines.at(-1) ?? '')
    );
  });
  top.resize({ columns: 80, rows: 24 });
  await top.shows(/> +100 .*question 99[\s\S]*q quit$/);
});

test('a terminal without room is no reason to end', async () => {
  const top = watch(new TempBus());
  await top.shows(/no questions yet/);
  top.resize({ columns: 1, rows: 1 });
  top.resize({ columns: 80, rows: 24 });
  await top.shows(/no questions yet[\s\S]*q quit$/);
});

test('a bridge that comes, goes and comes again is shown each time', async () => {
  const temp = new TempBus();
  const serve = () => start(['serve', '--port', '0', '--http-port', 'off'], { cwd: temp.dir });
  const bridge = serve();
  const { port } = await bridge.ready();
  const top = watch(temp, { port: String(port), words: ['--interval', '1'] });
  await top.shows(/bridge ok[\s\S]*engines +extract/);
  top.type(KEYS.tab + KEYS.tab);
  await top.shows(/extract-1 +ready/);
  await bridge.kill('SIGTERM');
  await top.shows(/bridge not reached/);
  start(['serve', '--port', String(port), '--http-port', 'off'], { cwd: temp.dir });
  await top.shows(/bridge ok/);
});

test('a bus that is gone is said to be, and is read again when it is back', async () => {
  const temp = new TempBus();
  temp.ask(temp.addConversation(), 'Am I still here?');
  const top = watch(temp, { words: ['--interval', '1'] });
  await top.shows(/Am I still here/);
  const away = join(tempDir(), 'bus.db');
  temp.peer.pragma('wal_checkpoint(TRUNCATE)');
  renameSync(temp.file, away);
  await top.shows(/not read[\s\S]*there is no bus at[\s\S]*Am I still here/);
  renameSync(away, temp.file);
  await top.until(() => !top.text.includes('not read') && top.text.includes('Am I still here'));
});

test('looking writes nothing to the bus', async () => {
  const temp = new TempBus();
  temp.ask(temp.addConversation(), 'Who touched this?');
  const version = () => temp.peer.pragma('data_version', { simple: true });
  const before = version();
  const top = watch(temp, { words: ['--interval', '1'] });
  await top.shows(/Who touched this/);
  top.type(KEYS.enter);
  await top.shows(/Question 1: pending/);
  top.type(`q${KEYS.tab}${KEYS.tab}${KEYS.tab}`);
  await top.shows(/nothing to warn of/);
  top.type('q');
  await top.ended;
  expect(version()).toBe(before);
});

test('a bus that no warmline has worked on is left as it is, and shown once one does', async () => {
  const dir = tempDir();
  const file = join(dir, 'bus.db');
  const foreign = new Database(file);
  foreign.pragma('journal_mode = WAL');
  const tables = 'SELECT count(*) FROM sqlite_master';
  foreign.exec(FOREIGN_SCHEMA);
  const before = foreign.prepare(tables).pluck().get();
  const command = [process.execPath, CLI, 'top', '--db', file, '--port', NOBODY, '--interval', '1'];
  const top = new Terminal(command);
  await top.shows(/no warmline of this version has worked on this bus yet/);
  expect(foreign.prepare(tables).pluck().get()).toBe(before);
  foreign.close();
  await openSqliteBus({ file }).close();
  await top.shows(/no questions yet/);
});

const ENDS: [string, (top: Terminal) => void, number][] = [
  ['q', (top) => top.type('q'), 0],
  ['ctrl-c', (top) => top.type(KEYS.ctrlC), 0],
  ['SIGTERM', (top) => process.kill(top.pid, 'SIGTERM'), 0],
  ['SIGINT', (top) => process.kill(top.pid, 'SIGINT'), 0],
];

test.each(ENDS)('leaves the terminal as it was after %s', async (_name, end, code) => {
  const top = watch(new TempBus());
  await top.shows(/no questions yet/);
  expect(top.isAlternate).toBe(true);
  end(top);
  expect(await top.ended).toEqual({ code, same: true });
  expect(top.text).toBe('');
  expectGivenBack(top);
});

/** Lines go on in the next row, there is a cursor, and it is the usual screen. */
function expectGivenBack(top: Terminal): void {
  expect(top.isAlternate).toBe(false);
  const last = top.raw.slice(top.raw.lastIndexOf('?1049h'));
  for (const mode of ['?7h', '?25h', '?1049l']) expect(last).toContain(`\u001b[${mode}`);
}

test('leaves the terminal as it was after a crash, and tells of it', async () => {
  const temp = new TempBus();
  const crash = join(temp.dir, 'crash.mjs');
  writeFileSync(crash, `process.on('SIGUSR2', () => { throw new Error('the roof fell in'); });`);
  const command = [process.execPath, '--import', crash, CLI, 'top', '--db', temp.file];
  const top = new Terminal([...command, '--port', NOBODY], { cwd: temp.dir });
  await top.shows(/no questions yet/);
  process.kill(top.pid, 'SIGUSR2');
  const { code, same } = await top.ended;
  expect({ code: code !== 0, same }).toEqual({ code: true, same: true });
  expectGivenBack(top);
  expect(top.text).toMatch(/the roof fell in/);
});

test('ctrl-z gives the terminal back, and fg goes on', async () => {
  const temp = new TempBus();
  const shell = new Terminal(['bash', '--norc', '--noprofile'], { cwd: temp.dir });
  await shell.shows(/[$#]/);
  shell.type(`'${process.execPath}' '${CLI}' top --db '${temp.file}' --port ${NOBODY}\r`);
  await shell.shows(/no questions yet/);
  shell.type(KEYS.ctrlZ);
  await shell.until(() => !shell.isAlternate && /Stopped/.test(shell.text));
  shell.type('echo back-$((1 + 1))\r');
  await shell.shows(/^back-2/m);
  shell.type('fg\r');
  await shell.until(() => shell.isAlternate && /no questions yet/.test(shell.text));
  shell.type('q');
  await shell.until(() => !shell.isAlternate && /back-2/.test(shell.text));
  shell.type('exit 7\r');
  expect((await shell.ended).code).toBe(7);
});

test('where there is no terminal it says what to take instead, with exit code 2', async () => {
  const temp = new TempBus();
  const { code, stderr } = await warmline(['top', '--db', temp.file]);
  expect(code).toBe(2);
  expect(stderr).toMatch(/needs a terminal.*top --once.*stats --json/);
  const command = [process.execPath, CLI, 'top', '--db', temp.file];
  const dumb = new Terminal(command, { env: { TERM: 'dumb' } });
  expect((await dumb.ended).code).toBe(2);
});

test('--once prints one frame as plain text', async () => {
  const temp = new TempBus();
  temp.ask(temp.addConversation(), 'What is printed?');
  const { code, stdout } = await warmline(['top', '--once', '--db', temp.file, '--port', NOBODY]);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /bridge not reached[\s\S]*1 pending[\s\S]*Questions[\s\S]*What is printed\?/,
  );
  expect(stdout).not.toContain('\u001b');
});

test('a bus that is not there is no view at all, with exit code 78', async () => {
  const { code, stderr } = await warmline(['top', '--once', '--db', join(tempDir(), 'none.db')]);
  expect(code).toBe(78);
  expect(stderr).toMatch(/there is no bus at/);
});

/** `ask` and `send` as a person at a terminal has them, and as a program that pipes. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { connect } from '../../clients/socket/index.js';
import { CLI, Program, start, tempDir, warmline } from '../support/process.js';
import { KEYS, Terminal } from '../support/terminal.js';

const DOCUMENT = '# Guide\n\nThe **kettle** stands on the second shelf.\n';

async function serve(...words: string[]): Promise<string> {
  const cwd = tempDir();
  writeFileSync(join(cwd, 'GUIDE.md'), DOCUMENT);
  const program = start(['serve', '--port', '0', '--log-level', 'error', ...words], { cwd });
  return String((await program.ready()).port);
}

function atTerminal(words: readonly string[], around = {}): Terminal {
  return new Terminal([process.execPath, CLI, ...words], around);
}

/** Waits until the bridge works on so many turns. */
async function untilBusy(port: string, turns: number): Promise<void> {
  const client = await connect({ port: Number(port) });
  const busy = async () =>
    JSON.stringify(await client.sessions()).match(/"state":"busy"/g)?.length ?? 0;
  while ((await busy()) !== turns);
  await client.close();
}

const MARKDOWN = '# Title\n\nSome **bold** words.\n\n- one\n- two';

test('on a terminal an answer is rendered, and the line of the wait is gone', async () => {
  const port = await serve('--engine', 'fake');
  const terminal = atTerminal(['ask', `!fake echo ${MARKDOWN}`, '--port', port]);
  expect(await terminal.ended).toEqual({ code: 0, same: true });
  expect(terminal.history).toBe('Title\n\nSome bold words.\n\n• one\n• two');
  expect(terminal.raw).toContain('\u001b[1mbold\u001b[22m');
  expect(terminal.raw).toContain('0 s  waiting for the answer');
});

test('--plain shows on a terminal what a pipe gets', async () => {
  const port = await serve('--engine', 'fake');
  const words = ['ask', `!fake echo ${MARKDOWN}`, '--port', port];
  const terminal = atTerminal([...words, '--plain']);
  expect(await terminal.ended).toEqual({ code: 0, same: true });
  expect(terminal.history).toBe(MARKDOWN);
  expect(await warmline(words)).toMatchObject({ code: 0, stdout: `${MARKDOWN}\n`, stderr: '' });
});

test('on a terminal an answer is shown block by block while it is being written', async () => {
  const port = await serve('--engine', 'fake');
  const slow = `!fake delay=600000 deltas=1000 echo ${'# A\n\n'.repeat(2)}${'so it goes on '.repeat(500)}`;
  const terminal = atTerminal(['ask', slow, '--port', port]);
  await terminal.shows(/^A\n\nA\n\d+ s {2}writing: so it g/);
  terminal.type(KEYS.ctrlC);
  expect((await terminal.ended).code).toBe(-2);
});

test('sources are shown on a terminal', async () => {
  const port = await serve();
  const question = 'Where does the kettle stand?';
  const terminal = atTerminal(['ask', question, '--context', 'GUIDE.md', '--port', port]);
  expect(await terminal.ended).toEqual({ code: 0, same: true });
  expect(terminal.history).toMatch(/kettle stands[\s\S]*\n\nSources\n {2}GUIDE\.md:\d+-\d+$/);
});

test('whoever has to wait for a session reads the place in the line', async () => {
  const port = await serve('--engine', 'fake', '--max-sessions', '1');
  start(['ask', '!fake silent', '--port', port]);
  await untilBusy(port, 1);
  const terminal = atTerminal(['ask', '!fake echo mine', '--port', port]);
  await terminal.shows(/^\d+ s {2}waiting for a session, 1 in line$/);
  terminal.type(KEYS.ctrlC);
  await terminal.ended;
});

test('Ctrl-C takes the question back from the bridge, says so, and ends by the signal', async () => {
  const port = await serve('--engine', 'fake');
  const terminal = atTerminal(['ask', '!fake silent', '--port', port]);
  await untilBusy(port, 1);
  terminal.type(KEYS.ctrlC);
  expect(await terminal.ended).toEqual({ code: -2, same: true });
  expect(terminal.history).toBe('warmline: cancelled; the bridge stops working on the question');
  await untilBusy(port, 0);
});

test('Ctrl-C ends the wait for a bridge that says nothing', async () => {
  const silent = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void silent.close());
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const terminal = atTerminal(['ask', 'anyone?', '--port', String(port)]);
  const [socket] = (await once(silent, 'connection')) as [Socket];
  await once(socket, 'data');
  terminal.type(KEYS.ctrlC);
  expect(await terminal.ended).toEqual({ code: -2, same: true });
});

test('the line of the wait stays one line, however narrow the terminal and wide the text', async () => {
  const port = await serve('--engine', 'fake');
  const slow = `!fake delay=600000 deltas=1000 echo ${'中文字符'.repeat(2000)}`;
  const words = [process.execPath, CLI, 'ask', slow, '--port', port];
  const terminal = new Terminal(words, {}, { columns: 24, rows: 5 });
  await terminal.shows(/^\d+ s {2}writing: 中文字符/);
  await terminal.shows(/^[1-9]\d* s /);
  expect(terminal.history.split('\n')).toHaveLength(1);
  terminal.type(KEYS.ctrlC);
  await terminal.ended;
});

test('send --wait tells on a terminal why there is no answer yet, and then renders it', async () => {
  const port = await serve('--engine', 'fake');
  const db = join(tempDir(), 'bus.db');
  const words = ['send', '!fake echo **yes** or no', '--db', db, '--create', '--wait'];
  const terminal = atTerminal(words);
  await terminal.shows(/^\d+ s {2}message 1: no autopoll works on this bus/);
  start(['autopoll', '--db', db, '--port', port, '--log-level', 'error']);
  expect(await terminal.ended).toEqual({ code: 0, same: true });
  expect(terminal.history).toBe('yes or no');
});

test('send --wait tells how many questions of the conversation come first', async () => {
  const port = await serve('--engine', 'fake');
  const db = join(tempDir(), 'bus.db');
  const ask = (question: string, ...words: string[]) =>
    warmline(['send', question, '--db', db, '--json', ...words]);
  const first = JSON.parse((await ask('!fake silent', '--create')).stdout);
  const here = ['--conversation', first.conversation_id];
  await start(['autopoll', '--db', db, '--port', port, '--log-level', 'error']).ready();
  await ask('second', ...here);
  const third = atTerminal(['send', 'third', '--db', db, '--wait', ...here]);
  await third.shows(/message 3: pending: behind 2 questions of its conversation$/);
  third.type(KEYS.ctrlC);
  expect(await third.ended).toEqual({ code: -2, same: true });
  expect(third.history).toContain('message 3 is still on the bus; see: warmline poll show 3');
});

test('send --wait tells when nobody will answer', async () => {
  const db = join(tempDir(), 'bus.db');
  const waiting = start(['send', 'q', '--db', db, '--create', '--wait'], {});
  while (!(await warmline(['poll', 'list', '--db', db])).stdout.includes('q'));
  await warmline(['poll', 'cancel', '1', '--db', db]);
  expect(await waiting.ended).toMatchObject({
    code: 1,
    stdout: expect.stringMatching(/^Error: .*cancelled/),
  });
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  'a command that waits ends by the %s it gets, so that a script around it ends as well',
  async (signal) => {
    const port = await serve('--engine', 'fake');
    const asking = start(['ask', '!fake silent', '--json', '--port', port]);
    await untilBusy(port, 1);
    expect(await asking.kill(signal)).toEqual({
      code: null,
      signal,
      stdout: '',
      stderr: 'warmline: cancelled; the bridge stops working on the question\n',
    });
  },
);

function piped(input: string, ...words: readonly string[]): Promise<unknown> {
  const pipe = `printf '%s' "$0" | "$@"`;
  return new Program('sh', ['-c', pipe, input, process.execPath, CLI, ...words]).ended;
}

test('a question can come on standard input, however long, for ask and for send', async () => {
  const port = await serve('--engine', 'fake');
  const db = join(tempDir(), 'bus.db');
  const question = `!fake echo ${'naïve 🙂 '.repeat(3000)}end\n\n`;
  const answer = { code: 0, stdout: `${question.slice('!fake echo '.length).trim()}\n` };
  expect(await piped(question, 'ask', '-', '--port', port)).toMatchObject(answer);
  expect(await piped(question, 'ask', '--port', port)).toMatchObject(answer);
  expect(await piped('q', 'send', '--db', db, '--create')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('message 1 in'),
  });
});

test('no question on standard input is a wrong use, and so is one without end', async () => {
  const empty = await piped(' \n', 'ask', '-', '--port', '1');
  expect(empty).toMatchObject({ code: 2, stderr: expect.stringMatching(/none on standard input/) });
  const endless = new Program('sh', [
    '-c',
    '"$0" "$1" ask - --port 1 < /dev/zero',
    process.execPath,
    CLI,
  ]);
  expect(await endless.ended).toMatchObject({ code: 2, stderr: expect.stringContaining('1 MiB') });
  const terminal = atTerminal(['ask', '--port', '1']);
  expect((await terminal.ended).code).toBe(2);
  expect(terminal.history).toContain('reads it from standard input');
});

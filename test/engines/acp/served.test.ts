/** The engine behind a server, as `warmline serve --engine acp` starts it. */
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { isAlive, start, tempDir, until } from '../../support/process.js';
import { AGENT, agentHomes } from './harness.js';

async function serve() {
  const command = `${process.execPath} ${AGENT}`;
  const words = ['serve', '--port', '0', '--http-port', 'off', '--engine', 'acp'];
  const cwd = tempDir();
  const server = start([...words, '--acp-command', command], { cwd, env: { HOME: cwd } });
  const { port } = await server.ready();
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {}); // the server is killed
  onTestFinished(() => void socket.destroy());
  const lines = createInterface({ input: socket });
  const replies: Record<string, unknown>[] = [];
  lines.on('line', (line) => replies.push(JSON.parse(line)));
  lines.on('error', () => {});
  const send = (message: object) => socket.write(`${JSON.stringify(message)}\n`);
  const reply = (id: string, type: string) =>
    until(() => replies.find((one) => one.id === id && one.type === type));
  return { server, send, reply };
}

/** Directories of agents that a server started. */
function homesOf(pid: number): string[] {
  return agentHomes().filter((name) => name.startsWith(`warmline-acp-${pid}-`));
}

test('a question is answered, and health shows the process behind it', async () => {
  const { server, send, reply } = await serve();
  send({ type: 'query', id: 'q', question: 'echo it is warm' });
  expect(await reply('q', 'response')).toMatchObject({ answer: 'it is warm', engine: 'acp' });
  send({ type: 'health', id: 'h' });
  expect(await reply('h', 'health')).toMatchObject({ ready: true, processes: { zombies: 0 } });
  await server.kill('SIGTERM');
  expect(homesOf(server.pid)).toEqual([]);
});

test('a server killed in a turn leaves no process, and its directories go with the next', async () => {
  const { server, send, reply } = await serve();
  send({ type: 'query', id: 's', session: 'one', question: 'spawn' });
  const { answer } = await reply('s', 'response');
  send({ type: 'query', id: 'f', session: 'one', question: 'facts' });
  const agent = Number(JSON.parse(String((await reply('f', 'response')).answer)).pid);
  send({ type: 'query', id: 'd', session: 'one', question: 'deaf', stream: true });
  await reply('d', 'delta');
  const pids = [agent, Number(answer)];
  expect(pids.every(isAlive)).toBe(true);
  await server.kill('SIGKILL');
  await until(() => !pids.some(isAlive));
  expect(homesOf(server.pid)).not.toEqual([]);

  const next = await serve();
  expect(homesOf(server.pid)).toEqual([]);
  await next.server.kill('SIGTERM');
});

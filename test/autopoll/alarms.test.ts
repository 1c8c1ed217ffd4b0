import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Alarm, Alarms } from '../../clients/autopoll/alarms.js';
import {
  commandMessenger,
  type Messenger,
  webMessenger,
} from '../../clients/autopoll/messenger.js';
import type { Warning } from '../../clients/autopoll/warnings.js';
import { createLogger } from '../../src/log.js';
import { TestClock, tempDir } from '../support/temp-bus.js';

const WARNING: Warning = {
  kind: 'disk_free',
  subject: '',
  severity: 'severe',
  message: '12 MiB are free where the bus is',
  value: 12,
  limit: 512,
  sinceMs: 0,
};
const ALARM: Alarm = {
  ...{ event: 'raised', kind: 'disk_free', subject: '', severity: 'severe', message: '12 MiB' },
  ...{ value: 12, limit: 512, db: 'bus.db', session: 'b', at_ms: 1 },
};

function logged() {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  return { lines, log: createLogger({ level: 'info', destination: { write } }) };
}

function alarms() {
  const { lines, log } = logged();
  const clock = new TestClock();
  const sent: string[] = [];
  const messenger: Messenger = {
    send: (alarm) => {
      const { event, kind, db, subject } = alarm;
      sent.push(`${event} ${kind} ${db}${subject && ` ${JSON.stringify(alarm)}`}`);
    },
    close: async () => {},
  };
  const about = { db: 'bus.db', session: 'b' };
  return { lines, clock, sent, board: new Alarms({ clock, log, about, messengers: [messenger] }) };
}

test('a warning that stands is told once, and so is its end', () => {
  const { board, lines, clock, sent } = alarms();
  for (let seconds = 0; seconds < 600; seconds += 5) {
    board.show([WARNING]);
    clock.advance(5_000);
  }
  board.show([]);
  board.show([]);
  expect(lines.map(({ level, warning, msg }) => [level, warning, msg])).toEqual([
    [50, 'disk_free', '12 MiB are free where the bus is'],
    [30, 'disk_free', 'over: 12 MiB are free where the bus is'],
  ]);
  expect(sent).toEqual(['raised disk_free bus.db', 'cleared disk_free bus.db']);
});

test('a secret in the name of an engine goes nowhere', async () => {
  const { board, lines, sent } = alarms();
  const key = `sk-${'a1B2'.repeat(8)}`;
  const warning = { ...WARNING, kind: 'failure_rate' as const, subject: `model ${key}` };
  const told = { ...warning, message: `60 % of the turns of model ${key} failed` };
  board.show([told]);
  board.show([]);
  await board.close();
  expect(sent.map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual([
    'raised failure_rate',
    'cleared failure_rate',
  ]);
  expect(lines.map(({ engine }) => engine)).toEqual(Array(2).fill('model [REDACTED]'));
  expect(JSON.stringify([lines, sent])).not.toContain(key);
});

test('a warning that comes and goes is told once a minute', () => {
  const { board, clock, sent } = alarms();
  for (let second = 0; second < 120; second += 1) {
    board.show(second % 2 === 0 ? [WARNING] : []);
    clock.advance(1_000);
  }
  expect(sent.filter((text) => text.startsWith('raised'))).toHaveLength(2);
  expect(sent.filter((text) => text.startsWith('cleared'))).toHaveLength(2);
});

test('a program gets each alarm as JSON on its standard input, one after the other, without a shell and without the keys around it', async () => {
  const { lines, log } = logged();
  const file = join(tempDir(), 'alarms; touch injected');
  const script = 'cat >> "$0"; echo "$HOME $LANG $TZ none$SECRET none$WARMLINE_DB" >> "$0"';
  const given = { HOME: '/h', LANG: 'C', TZ: 'UTC', SECRET: 'a key', WARMLINE_DB: 'b' };
  const environment = { PATH: process.env.PATH, ...given };
  const messenger = commandMessenger(['/bin/sh', '-c', script, file], environment, log);
  messenger.send(ALARM);
  messenger.send({ ...ALARM, event: 'cleared' });
  const read = () => {
    try {
      return readFileSync(file, 'utf8').split('\n');
    } catch {
      return [];
    }
  };
  await vi.waitUntil(() => read().length === 5, { timeout: 10_000, interval: 5 });
  await messenger.close();
  const [first, found, second] = read();
  expect([JSON.parse(first ?? ''), found]).toEqual([ALARM, '/h C UTC none none']);
  expect(JSON.parse(second ?? '').event).toBe('cleared');
  expect(lines).toEqual([]);
});

test('a program that does not end is killed with what it started, and the next alarm goes out', async () => {
  const { lines, log } = logged();
  const file = join(tempDir(), 'pids');
  const script = 'sleep 1000 & echo $! >> "$0"; wait';
  const messenger = commandMessenger(['/bin/sh', '-c', script, file], process.env, log, 300);
  onTestFinished(() => messenger.close());
  messenger.send(ALARM);
  messenger.send(ALARM);
  await vi.waitUntil(() => lines.length === 2, { timeout: 20_000, interval: 5 });
  expect(lines[0]).toMatchObject({ setting: 'warn_command', why: 'took longer than 300 ms' });
  const pids = readFileSync(file, 'utf8').trim().split('\n').map(Number);
  expect(pids).toHaveLength(2);
  await vi.waitUntil(() => pids.every((pid) => isOver(pid)), { timeout: 10_000, interval: 5 });
});

test('a program that is not there, or fails, is told of', async () => {
  const { lines, log } = logged();
  const missing = commandMessenger(['/no/such/program'], {}, log);
  const failing = commandMessenger(['/bin/false'], {}, log);
  missing.send(ALARM);
  failing.send(ALARM);
  await vi.waitUntil(() => lines.length === 2, { timeout: 10_000, interval: 5 });
  expect(lines.map(({ why }) => why).sort()).toEqual(['ENOENT', 'ended with 1']);
});

test('an address gets each alarm as JSON, and is followed nowhere else', async () => {
  const { lines, log } = logged();
  const bodies: unknown[] = [];
  let answer = 204;
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    bodies.push([request.method, request.headers['content-type'], JSON.parse(body)]);
    response.writeHead(answer, answer === 302 ? { location: '/elsewhere' } : {}).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const messenger = webMessenger(url, log);
  onTestFinished(async () => {
    await messenger.close();
    server.closeAllConnections();
    server.close();
  });
  messenger.send(ALARM);
  await vi.waitUntil(() => bodies.length === 1, { timeout: 10_000, interval: 5 });
  expect(bodies).toEqual([['POST', 'application/json', ALARM]]);
  answer = 302;
  messenger.send(ALARM);
  await vi.waitUntil(() => lines.length === 1, { timeout: 10_000, interval: 5 });
  answer = 500;
  messenger.send(ALARM);
  await vi.waitUntil(() => lines.length === 2, { timeout: 10_000, interval: 5 });
  expect(bodies).toHaveLength(3);
  expect(lines[1]).toMatchObject({ setting: 'warn_url', why: 'answered with status 500' });
  expect(JSON.stringify(lines)).not.toContain(url);
});

test('an address that does not answer holds up no stop', async () => {
  const { log } = logged();
  const server = createServer(() => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const messenger = webMessenger(
    `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    log,
  );
  messenger.send(ALARM);
  await once(server, 'request');
  await messenger.close();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  expect(server.listening).toBe(false);
});

/** Gone, or only waiting for its parent to notice. */
function isOver(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return true;
  }
}

/** What many readers of events cost those who ask: requests a second, at a fixed rate, with and without. */
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { type Figure, quantile } from './figures.js';
import { memoryBytes, startWarmline } from './processes.js';

const REQUESTS_PER_SECOND = 200;
const MOST_GROWTH_BYTES = 200 * 2 ** 20;
/** Longest wait for readers to be told what there is, in milliseconds. */
const CATCH_UP_MS = 30_000;
/** Enough to hold the last event. */
const TAIL_BYTES = 512;

export async function events(
  dir: string,
  { readers: count, seconds }: { readonly readers: number; readonly seconds: number },
): Promise<Figure[]> {
  const db = join(dir, 'events.db');
  const server = await startWarmline(
    ...['up', '--db', db, '--create', '--engine', 'fake', '--context-root', dir],
    ...['--port', '0', '--http-port', '0', '--max-connections', '2048', '--log-level', 'warn'],
    ...['--http-tasks', '16', '--max-sessions', '16'],
  );
  const port = server.ready.http_port ?? 0;
  const bridge = server.ready.pids?.bridge ?? server.pid;
  try {
    await ask(port, 2);
    const alone = await ask(port, seconds);
    const before = memoryBytes(bridge, 'VmRSS');
    const readers = await Promise.all(Array.from({ length: count }, () => openReader(port)));
    const crowded = await ask(port, seconds);
    const peak = memoryBytes(bridge, 'VmHWM');
    const last = lastChange(db);
    const deadlineMs = performance.now() + CATCH_UP_MS;
    const isTold = () => readers.filter(({ tail }) => tail().includes(`id: ${last}\n`)).length;
    while (isTold() < count && performance.now() < deadlineMs) await sleep(20);
    const told = isTold();
    for (const { socket } of readers) socket.destroy();
    const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MB`;
    return [
      {
        name: `request p50, p99 with ${count} readers of events, ${REQUESTS_PER_SECOND} requests a second`,
        value: `${ms(crowded, 0.5)}, ${ms(crowded, 0.99)} ms`,
        baseline: `${ms(alone, 0.5)}, ${ms(alone, 0.99)} ms without readers`,
        ratio: quantile(crowded, 0.99) / quantile(alone, 0.99),
        target: 'reported',
        reached: crowded.length === alone.length,
      },
      {
        name: 'readers that were told the last change, and what the server grew by at most',
        value: `${told} of ${count}, ${megabytes(peak - before)}`,
        baseline: `${megabytes(before)} before`,
        ratio: undefined,
        target: `all, < ${megabytes(MOST_GROWTH_BYTES)}`,
        reached: told === count && peak - before < MOST_GROWTH_BYTES,
      },
    ];
  } finally {
    await server.stop();
  }
}

interface Reader {
  readonly socket: Socket;
  /** The end of what came. */
  readonly tail: () => string;
}

/** Costs as little as possible beside the server: only the end of what came is kept. */
async function openReader(port: number): Promise<Reader> {
  const socket = connect(port, '127.0.0.1');
  let last = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => {
    const whole = chunk.length >= TAIL_BYTES ? chunk : Buffer.concat([last, chunk]);
    last = Buffer.from(whole.subarray(-TAIL_BYTES));
  });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(`GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`);
  await once(socket, 'data');
  return { socket, tail: () => last.toString() };
}

/** Asks at a fixed rate, whatever the answers do. @returns how long each took, in milliseconds */
async function ask(port: number, seconds: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const asked: Promise<number>[] = [];
  const startedMs = performance.now();
  for (let n = 0; n < REQUESTS_PER_SECOND * seconds; n += 1) {
    const dueMs = startedMs + (n * 1000) / REQUESTS_PER_SECOND;
    if (dueMs > performance.now()) await sleep(dueMs - performance.now());
    asked.push(askOnce(port, agent, dueMs));
  }
  const took = await Promise.all(asked);
  agent.destroy();
  return took;
}

function askOnce(port: number, agent: Agent, dueMs: number): Promise<number> {
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'which port?' }] });
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        ...{ port, agent, host: '127.0.0.1', method: 'POST', path: '/v1/chat/completions' },
        headers: { 'content-type': 'application/json', 'content-length': body.length },
      },
      (reply) => {
        reply.resume().on('end', () => {
          if (reply.statusCode === 200) resolve(performance.now() - dueMs);
          else reject(new Error(`status ${reply.statusCode}`));
        });
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

function ms(took: readonly number[], q: number): string {
  return quantile(took, q).toFixed(1);
}

function lastChange(db: string): number {
  const bus = new Database(db, { readonly: true });
  const last = bus.prepare('SELECT max(seq) FROM warmline_changes').pluck().get() as number;
  bus.close();
  return last;
}

/** Sends one answer, or what its behaviour makes of it. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Behaviour } from './behaviour.js';
import type { Dialect, EventStream, Reply } from './dialect.js';
import type { JsonObject } from './json.js';
import { brokenEncoding, brokenJson, countOfPieces, pieces } from './pieces.js';

interface Play {
  readonly response: ServerResponse;
  readonly dialect: Dialect;
  readonly reply: Reply;
  readonly behaviour: Behaviour;
  readonly text: string;
  /** Aborted when the client is gone or the server closes. */
  readonly signal: AbortSignal;
}

/** Enough for a reader to keep up with, when nothing else is said. */
const ENDLESS_GAP_MS = 5;
const PING_GAP_MS = 50;

/** @throws an AbortError when the client goes away first */
export async function play(part: Play): Promise<void> {
  const { response, behaviour, signal } = part;
  const { delayMs = 0, ending, status = 200, tooLong = false } = behaviour;
  if (delayMs > 0) await sleep(delayMs, undefined, { signal });
  if (ending === 'silence') return silence(signal);
  if (ending === 'hang-up') return void response.destroy();
  if (tooLong || status >= 400) return sendProblem(part, tooLong ? 400 : status);
  return part.reply.asked.stream ? playStream(part, status) : playWhole(part, status);
}

function sendProblem(part: Play, status: number): Promise<void> {
  const { response, dialect, reply, behaviour, signal } = part;
  const { answer, resetS, tooLong = false, noRetry = false } = behaviour;
  const message = typeof answer === 'object' && 'text' in answer ? answer.text : undefined;
  const { body, headers } = dialect.problem({ status, message, tooLong, resetS, id: reply.id });
  const waitS = resetS ?? (status === 429 ? 60 : undefined);
  return sendJson(response, status, body, signal, {
    ...headers,
    ...(waitS === undefined ? {} : { 'retry-after': String(waitS) }),
    ...(noRetry ? { 'x-should-retry': 'false' } : {}),
  });
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: JsonObject,
  signal: AbortSignal,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': bytes.length,
    ...headers,
  });
  return end(response, bytes, signal);
}

async function playWhole(part: Play, status: number): Promise<void> {
  const { response, dialect, reply, behaviour, text, signal } = part;
  const { ending, damage } = behaviour;
  const json = JSON.stringify(dialect.whole(reply, text));
  let bytes: Buffer = Buffer.from(json);
  if (damage === 'encoding') bytes = brokenEncoding(json);
  if (damage === 'json') bytes = brokenJson(json);
  const isEndless = ending === 'endless' || ending === 'pings';
  response.writeHead(status, {
    'content-type': 'application/json',
    ...(isEndless ? {} : { 'content-length': bytes.length }),
  });
  switch (ending) {
    case 'stall':
      response.flushHeaders();
      return silence(signal);
    case 'half':
    case 'half-end':
    case 'half-error':
      await write(response, bytes.subarray(0, bytes.length / 2), signal);
      return void response.destroy();
    case 'half-silence':
      await write(response, bytes.subarray(0, bytes.length / 2), signal);
      return silence(signal);
    case 'endless':
    case 'pings':
      // Blanks before a JSON value mean nothing, so some servers send them as a sign of life.
      return repeat(part, () => Buffer.from(' '), behaviour.gapMs ?? ENDLESS_GAP_MS);
    default:
      return end(response, bytes, signal);
  }
}

async function playStream(part: Play, status: number): Promise<void> {
  const { response, dialect, reply, behaviour, text, signal } = part;
  const { ending, gapMs = 0 } = behaviour;
  const events = dialect.stream(reply);
  response.writeHead(status, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  });
  response.flushHeaders();
  await write(response, events.opening(), signal);
  if (ending === 'stall') return silence(signal);
  if (ending === 'pings') return repeat(part, events.ping, behaviour.gapMs ?? PING_GAP_MS);
  if (ending === 'endless') {
    return repeat(part, () => events.delta('and on '), behaviour.gapMs ?? ENDLESS_GAP_MS);
  }
  for (const piece of streamed(part, events)) {
    if (gapMs > 0) await sleep(gapMs, undefined, { signal });
    await write(response, piece, signal);
  }
  switch (ending) {
    case 'half':
      return void response.destroy();
    case 'half-silence':
      return silence(signal);
    case 'half-end':
      return end(response, '', signal);
    case 'half-error':
      return end(response, events.failure(), signal);
    default:
      return end(response, events.closing(text), signal);
  }
}

/** The events of the text, or of the first half of it. */
function* streamed(part: Play, events: EventStream): Iterable<string | Buffer> {
  const { reply, behaviour, text } = part;
  if (reply.tool !== undefined) {
    yield events.toolCall(reply.tool);
    return;
  }
  const isHalf = behaviour.ending?.startsWith('half') === true;
  const count = Math.max(behaviour.deltas ?? countOfPieces(text), isHalf ? 2 : 1);
  const all = pieces(text, count);
  const shown = isHalf ? all.slice(0, Math.ceil(all.length / 2)) : all;
  const damaged = Math.floor(shown.length / 2);
  for (const [at, piece] of shown.entries()) {
    const event = events.delta(piece);
    if (at === damaged && behaviour.damage === 'encoding') yield brokenEncoding(event);
    else if (at === damaged && behaviour.damage === 'json') yield `${brokenJson(event)}\n\n`;
    else yield event;
  }
}

async function repeat(part: Play, next: () => string | Buffer, gapMs: number): Promise<void> {
  for (;;) {
    await write(part.response, next(), part.signal);
    // Also without a gap the other requests get their turn.
    await sleep(gapMs, undefined, { signal: part.signal });
  }
}

/** Waits until the bytes are with the system: what follows may be the end of the connection. */
async function write(
  response: ServerResponse,
  bytes: string | Buffer,
  signal: AbortSignal,
): Promise<void> {
  if (bytes.length === 0) return;
  await handedOver(signal, (done) => response.write(bytes, done));
}

async function end(
  response: ServerResponse,
  bytes: string | Buffer,
  signal: AbortSignal,
): Promise<void> {
  await handedOver(signal, (done) => response.end(bytes, done));
}

function handedOver(
  signal: AbortSignal,
  send: (done: (error?: Error | null) => void) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const give = () => reject(signal.reason);
    signal.addEventListener('abort', give, { once: true });
    send((error) => {
      // Only a connection that breaks makes writing fail: its closing follows and is the answer.
      if (error) return;
      signal.removeEventListener('abort', give);
      resolve();
    });
  });
}

/** Nothing, for as long as the client stays. @throws when it leaves */
async function silence(signal: AbortSignal): Promise<never> {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

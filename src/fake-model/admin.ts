/** Looking at the fake model and telling it what to do, from another process. */
import { parseWords, WordError } from './behaviour.js';
import type { Exchange, Incoming } from './exchange.js';
import { isObject, type JsonObject } from './json.js';
import { sendJson } from './play.js';
import type { ReceivedRequest } from './received.js';

const MAX_TIMES = 100_000;

/**
 * `POST /__fake/script` with `{"words": "status=529", "times": 2}`, `GET /__fake/requests`,
 * `DELETE /__fake/requests`.
 */
export async function answerAdmin(exchange: Exchange, incoming: Incoming): Promise<void> {
  const { request, response, url, raw } = incoming;
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const send = (status: number, body: JsonObject) =>
    sendJson(response, status, body, gone.signal).catch(() => undefined);
  // A web page may be able to send requests here, but not without saying so.
  if (request.headers.origin !== undefined || !isOwnHost(request.headers.host)) {
    return send(403, problem('web pages may not do this'));
  }
  const called = `${request.method} ${url.pathname}`;
  switch (called) {
    case 'POST /__fake/script':
      try {
        return await send(200, queue(exchange, raw));
      } catch (error) {
        if (!(error instanceof WordError || error instanceof SyntaxError)) throw error;
        return send(400, problem(error.message));
      }
    case 'GET /__fake/requests':
      return send(200, {
        requests: exchange.requests.all.map(shown),
        probes: exchange.probes.all.map(shown),
      });
    case 'DELETE /__fake/requests':
      exchange.clear();
      return send(200, { ok: true });
    default:
      return send(404, problem(`there is no ${called.slice(0, 200)}`));
  }
}

/** The body once, and as text: it may be JSON too deep to be written again. */
function shown({ body: _body, ...request }: ReceivedRequest): JsonObject {
  return request;
}

function queue(exchange: Exchange, raw: string): JsonObject {
  const body: unknown = JSON.parse(raw);
  const { words, times = 1 } = isObject(body) ? body : {};
  if (typeof words !== 'string') throw new WordError('give {"words": "status=529", "times": 2}');
  const count = Number(times);
  if (!Number.isInteger(count) || count < 1 || count > MAX_TIMES) {
    throw new WordError(`times must be a whole number from 1 to ${MAX_TIMES}`);
  }
  exchange.queue(parseWords(words), count);
  return { ok: true };
}

/** A name that others can point at this machine would let their pages read what came here. */
function isOwnHost(host = ''): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/.test(host);
}

function problem(message: string): JsonObject {
  return { error: { message } };
}

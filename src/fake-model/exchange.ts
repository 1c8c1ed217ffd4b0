/** One request and its response, from the body read to the last byte sent. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Log } from '../log.js';
import { type Behaviour, takeBehaviour, WordError } from './behaviour.js';
import { PromptCache } from './cache.js';
import { type Asked, BadRequest, type Dialect, NOTHING_ASKED, type Reply } from './dialect.js';
import { dialectFor } from './dialects/index.js';
import { objectOf } from './json.js';
import { play, sendJson } from './play.js';
import { answerProbe, type ProbeAnswer } from './probes.js';
import {
  maskedHeaders,
  maskedPath,
  Received,
  type ReceivedRequest,
  type Receiving,
} from './received.js';

export interface Incoming {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly raw: string;
  readonly connection: number;
}

/** What is done with a request when neither it nor the queue says anything. */
export type ScriptFor = (request: ReceivedRequest) => Behaviour;

interface Queued {
  readonly behaviour: Behaviour;
  times: number;
}

const USUAL_QUESTION_CHARS = 200;

/** Eight bytes. */
const FILLER = 'filling ';

export class Exchange {
  readonly requests = new Received();
  readonly probes = new Received();
  readonly #script: ScriptFor;
  readonly #apiKey: string | undefined;
  readonly #log: Log | undefined;
  readonly #cache = new PromptCache();
  #queue: Queued[] = [];
  #lastId = 0;

  constructor(script: ScriptFor, apiKey: string | undefined, log: Log | undefined) {
    this.#script = script;
    this.#apiKey = apiKey;
    this.#log = log;
  }

  queue(behaviour: Behaviour, times = 1): void {
    if (times > 0) this.#queue.push({ behaviour, times });
  }

  clear(): void {
    this.#queue = [];
    this.requests.clear();
    this.probes.clear();
  }

  /** Answers the request; never rejects. */
  async handle(incoming: Incoming): Promise<void> {
    const { response } = incoming;
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const dialect = dialectFor(incoming.request.method, incoming.url.pathname);
    const record = this.#record(incoming, dialect);
    const book = dialect === undefined ? this.probes : this.requests;
    const startedMs = performance.now();
    try {
      if (dialect === undefined) {
        this.probes.add(record);
        const { status, body } = probed(record, incoming.url);
        await sendJson(response, status, body, gone.signal);
      } else {
        await this.#answer(incoming, dialect, record, gone.signal);
      }
    } catch (error) {
      record.aborted = gone.signal.aborted;
      if (!record.aborted) {
        this.#log?.error({ err: error, path: record.path }, 'the fake model failed');
        response.destroy();
      }
    }
    record.ended = true;
    record.status = response.headersSent ? response.statusCode : undefined;
    book.changed();
    const { api, path, model, status, aborted, id } = record;
    const ms = Math.round(performance.now() - startedMs);
    this.#log?.info({ id, api, path, model, status, aborted, ms }, 'request');
  }

  #record({ request, url, raw, connection }: Incoming, dialect: Dialect | undefined): Receiving {
    this.#lastId += 1;
    return {
      id: this.#lastId,
      api: dialect?.api ?? 'probe',
      method: request.method ?? '',
      path: maskedPath(url.pathname + url.search),
      headers: maskedHeaders(request.headers),
      raw,
      body: parsed(raw),
      model: '',
      stream: false,
      system: '',
      messages: [],
      question: '',
      connection,
      status: undefined,
      aborted: false,
      ended: false,
    };
  }

  async #answer(
    { request, response, url }: Incoming,
    dialect: Dialect,
    record: Receiving,
    signal: AbortSignal,
  ): Promise<void> {
    const id = `fake${String(record.id).padStart(20, '0')}`;
    const body = objectOf(record.body);
    let asked = NOTHING_ASKED;
    let behaviour: Behaviour;
    try {
      if (record.body === undefined) throw new BadRequest('The body is not valid JSON.');
      asked = dialect.read(body, url);
      behaviour = this.#behaviourOf(asked, record, request, url);
    } catch (error) {
      if (!(error instanceof BadRequest || error instanceof WordError)) throw error;
      behaviour = { status: 400, answer: { text: error.message } };
    }
    this.requests.add(record);
    const { answer, stop = 'end' } = behaviour;
    const called = typeof answer === 'object' && 'tool' in answer ? answer : undefined;
    const reply: Reply = {
      id,
      asked,
      body,
      usage: this.#cache.measure(asked.prompt),
      stop,
      tool: called && { name: called.tool, input: called.input },
    };
    await play({ response, dialect, reply, behaviour, text: textFor(behaviour, record), signal });
  }

  #behaviourOf(asked: Asked, record: Receiving, request: IncomingMessage, url: URL): Behaviour {
    record.model = asked.model;
    record.stream = asked.stream;
    record.system = asked.system;
    record.messages = asked.messages;
    const taken = asked.asked.map(takeBehaviour);
    record.question = taken.at(-1)?.rest ?? '';
    if (!this.#isLoggedIn(request, url)) return { status: 401 };
    const told = taken.map(({ behaviour }) => behaviour);
    return Object.assign({}, this.#script(record), this.#nextQueued(), ...told);
  }

  #nextQueued(): Behaviour {
    const next = this.#queue[0];
    if (next === undefined) return {};
    next.times -= 1;
    if (next.times <= 0) this.#queue.shift();
    return next.behaviour;
  }

  #isLoggedIn({ headers }: IncomingMessage, url: URL): boolean {
    if (this.#apiKey === undefined) return true;
    const given = [
      headers['x-api-key'],
      headers['x-goog-api-key'],
      headers.authorization?.replace(/^Bearer /, ''),
      url.searchParams.get('key'),
    ];
    return given.includes(this.#apiKey);
  }
}

function parsed(raw: string): unknown {
  try {
    return JSON.parse(raw);
  } catch {
    return undefined;
  }
}

function probed({ method, body }: Receiving, { pathname }: URL): ProbeAnswer {
  try {
    return answerProbe(method, pathname, objectOf(body));
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error;
    const { message } = error;
    return {
      status: 400,
      body: { type: 'error', error: { type: 'invalid_request_error', message } },
    };
  }
}

function textFor({ answer, cite }: Behaviour, { raw, question }: Receiving): string {
  const cited = cite === undefined ? '' : ` (${cite})`;
  if (answer === undefined) {
    return `The fake model heard: ${question.slice(0, USUAL_QUESTION_CHARS)}${cited}`;
  }
  if (answer === 'empty') return '';
  if (answer === 'echo') return raw;
  if ('text' in answer) return answer.text + cited;
  return 'hugeBytes' in answer
    ? FILLER.repeat(answer.hugeBytes / 8 + 1).slice(0, answer.hugeBytes)
    : '';
}

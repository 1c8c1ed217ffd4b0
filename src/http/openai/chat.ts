/**
 * `POST /v1/chat/completions`: which way a question goes, and the reply in the words of OpenAI.
 *
 * - With a bus, a question that is not streamed is a task: on the bus before anybody is told of it,
 *   answered by whoever drains the bus, and still there after a restart.
 * - A streamed one goes straight to the sessions. It lives as long as its reader does: when that is
 *   gone nobody is left to have the answer, so there is nothing to keep on a bus.
 * - Without a bus everything goes straight to the sessions, and tasks are refused.
 */
import { createHash, randomBytes } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import type { Bridge, ModelReport, Query, QueryReply } from '../../bridge/index.js';
import { type DoorTask, sessionKey } from '../../bus/index.js';
import type { Clock } from '../../clock.js';
import { fault, isErrorCode } from '../../errors.js';
import { busy, failure, fromFault, HttpFailure } from '../errors.js';
import { type Call, Detail, ErrorReply, type Route, route } from '../route.js';
import type { TaskBoard } from '../tasks/board.js';
import { NO_BUS } from '../tasks/routes.js';
import { errorText, statusOf } from '../tasks/view.js';
import { completion, usageOf } from './completion.js';
import { asJsonObject } from './json-answer.js';
import { toQuestion } from './prompt.js';
import type { TaskOptions, TaskResults } from './results.js';
import { ChatCompletion, ChatRequest } from './schema.js';
import { streamAnswer } from './stream.js';
import { TaskStarted, TimedOut } from './task-replies.js';

export interface ChatOptions {
  readonly bridge: Bridge;
  readonly board: TaskBoard | undefined;
  readonly results: TaskResults;
  readonly clock: Clock;
  /** Requests that may wait for their answer at once. */
  readonly maxRequests: number;
  readonly strictModels: boolean;
  /** Aborted when the door is to stop, and when it waits for nothing any more. */
  readonly draining: AbortSignal;
  readonly stopping: AbortSignal;
}

const DEFAULT_SECONDS = 300;
/** Questions of a sticky session that went over the bus and those that did not share this one. */
const SESSION = 'http';
const MAX_KEY_CHARS = 255;

/** A request that was understood: what is asked, of whom and how. */
interface Asked {
  readonly body: ChatRequest;
  readonly question: string;
  readonly target: ModelReport;
  /** The engine to name; undefined for the default one. */
  readonly model: string | undefined;
  readonly sticky: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly wantsJson: boolean;
}

export function chatRoute(options: ChatOptions): Route {
  const chat = new Chat(options);
  return route({
    method: 'POST',
    path: '/v1/chat/completions',
    summary: 'Asks a question',
    body: ChatRequest,
    headers: {
      'Idempotency-Key': 'asked again with the same one, the request is answered by the same task',
      'X-Session-Id': 'requests with the same one share a session; goes before `user`',
    },
    replies: {
      200: ChatCompletion.or(TaskStarted),
      400: ErrorReply.or(Detail),
      404: ErrorReply,
      408: TimedOut.or(ErrorReply),
      409: ErrorReply,
      413: ErrorReply,
      422: ErrorReply,
      429: ErrorReply,
      502: ErrorReply,
      503: ErrorReply,
    },
    serve: (call) => chat.serve(call),
  });
}

class Chat {
  readonly #options: ChatOptions;
  /** Requests that wait for their answer. */
  #open = 0;

  constructor(options: ChatOptions) {
    this.#options = options;
  }

  async serve(call: Call<ChatRequest>): Promise<object | undefined> {
    const asked = this.#understand(call);
    if (asked.body.polling_mode === true) return await this.#start(asked);
    const { maxRequests } = this.#options;
    if (this.#open >= maxRequests) {
      throw busy(`${this.#open} requests wait for their answer; ask again in a moment`, 1_000);
    }
    this.#open += 1;
    call.reply.raw.once('close', () => {
      this.#open -= 1;
    });
    if (asked.body.stream === true) return await this.#stream(asked, call.reply);
    return await this.#wait(asked, call.reply);
  }

  /** @throws HttpFailure */
  #understand({ body, request }: Call<ChatRequest>): Asked {
    const { bridge, strictModels } = this.#options;
    const named = body.model ?? undefined;
    const claimed = named === undefined ? undefined : bridge.claims(named);
    if (claimed === undefined && named !== undefined && strictModels) {
      const message = `no engine claims the model "${named}"; GET /v1/models lists those there are`;
      throw failure(404, 'model_not_found', message, 'model');
    }
    const target = claimed ?? (bridge.models()[0] as ModelReport);
    const sticky = header(request.headers['x-session-id'], 'X-Session-Id') ?? body.user ?? '';
    const wantsJson = /^json_(object|schema)$/.test(body.response_format?.type ?? '');
    const wordsOnly = target.kind === 'extract';
    const prompt = toQuestion(body.messages, { remembers: sticky !== '', wordsOnly, wantsJson });
    if (!prompt.ok) {
      if (prompt.why === 'not text') {
        throw failure(400, 'bad_request', 'only parts of the type "text" are read', 'messages');
      }
      throw new HttpFailure(400, { detail: 'No user message provided' });
    }
    return {
      body,
      question: prompt.question,
      target,
      model: target.isDefault ? undefined : target.engine,
      sticky: sticky === '' ? undefined : sticky,
      idempotencyKey: header(request.headers['idempotency-key'], 'Idempotency-Key'),
      wantsJson,
    };
  }

  /** `polling_mode`: the task is on the bus before anybody is told of it. */
  async #start(asked: Asked): Promise<object> {
    const task_id = await this.#put(asked, asked.body.timeout ?? undefined).catch((thrown) => {
      throw thrown instanceof RangeError ? tooLong(thrown) : thrown;
    });
    const polling_url = pollingUrl(task_id);
    const message = `Task accepted. Check status at ${polling_url}`;
    return { task_id, status: 'pending', message, polling_url };
  }

  async #wait(asked: Asked, reply: FastifyReply): Promise<object> {
    if (this.#options.board === undefined) return await this.#direct(asked, reply);
    let taskId: string;
    try {
      taskId = await this.#put(asked, undefined);
    } catch (thrown) {
      if (thrown instanceof RangeError) return await this.#direct(asked, reply);
      throw thrown;
    }
    return await this.#result(asked, taskId, this.#options.board, reply);
  }

  async #result(
    { body, idempotencyKey }: Asked,
    taskId: string,
    board: TaskBoard,
    reply: FastifyReply,
  ): Promise<object> {
    const seconds = body.timeout ?? DEFAULT_SECONDS;
    const { draining, stopping, results } = this.#options;
    const gone = whenGone(reply);
    const late = AbortSignal.timeout(Math.ceil(seconds * 1000));
    const until = (end: AbortSignal) =>
      board.finished(taskId, AbortSignal.any([gone, late, end, stopping]));
    let task = await until(draining);
    // What runs is worth waiting for; what waits is not begun by a server that stops.
    const isRunning = async () => (await board.read(taskId))?.state === 'running';
    if (draining.aborted && task === undefined && (await isRunning())) task = await until(stopping);
    if (task !== undefined) return (await results.of(task)) ?? throwEnd(task);
    // Whoever named its request can ask again for what came of it; nobody else can.
    if (gone.aborted && idempotencyKey === undefined) await board.cancel(taskId);
    if (!late.aborted) {
      const where = `task ${taskId} goes on, see ${pollingUrl(taskId)}`;
      throw settled(fromFault(fault('shutting_down', `warmline is stopping; ${where}`)));
    }
    throw settled(
      new HttpFailure(408, {
        error: 'Request timeout',
        task_id: taskId,
        message: `Task is still running. Check status at ${pollingUrl(taskId)}`,
        timeout: seconds,
      }),
    );
  }

  async #direct(asked: Asked, reply: FastifyReply): Promise<object> {
    const query = await this.#query(asked);
    const answered = await new Promise<QueryReply>((resolve, reject) => {
      const ticket = this.#options.bridge.ask(query, {
        done: (outcome) => (outcome.ok ? resolve(outcome.reply) : reject(fromFault(outcome.error))),
      });
      const gone = whenGone(reply);
      gone.addEventListener('abort', () => ticket.cancel());
      if (gone.aborted) ticket.cancel();
    });
    const answer = asked.wantsJson ? asJsonObject(answered.answer) : answered.answer;
    return completion({ ...answered, answer, usage: usageOf(answered.usage) }, this.#facts());
  }

  async #stream(asked: Asked, reply: FastifyReply): Promise<undefined> {
    const { body, target, wantsJson } = asked;
    const query = await this.#query(asked);
    if (reply.raw.destroyed) return undefined;
    streamAnswer(this.#options.bridge, query, reply, {
      facts: this.#facts(),
      model: target.model,
      wantsJson,
      includeUsage: body.stream_options?.include_usage === true,
    });
    return undefined;
  }

  async #query({ body, question, model, sticky, idempotencyKey }: Asked): Promise<Query> {
    return {
      question,
      model,
      contextFile: body.context_file ?? undefined,
      session: sticky === undefined ? undefined : await this.#sessionOf(sticky),
      timeoutMs: Math.ceil((body.timeout ?? DEFAULT_SECONDS) * 1000),
      priority: body.priority ?? undefined,
      requestId: idempotencyKey === undefined ? undefined : `http/${digest(idempotencyKey)}`,
    };
  }

  /** One session for a key, whichever way its questions go. */
  async #sessionOf(sticky: string): Promise<string> {
    const conversation = await this.#options.board?.conversationOf(digest(sticky));
    return sessionKey(conversation ?? SESSION, conversation === undefined ? sticky : SESSION);
  }

  /** @throws RangeError when the question is too long for the bus */
  async #put(asked: Asked, turnSeconds: number | undefined): Promise<string> {
    const { board } = this.#options;
    if (board === undefined) throw failure(503, 'no_bus', NO_BUS);
    const { body, question, model, sticky, idempotencyKey, wantsJson } = asked;
    const options: TaskOptions = { wantsJson, model: body.model ?? null };
    const put = await board.put({
      taskId: `task_${randomBytes(12).toString('hex')}`,
      question: {
        question,
        model,
        contextFile: body.context_file ?? undefined,
        priority: body.priority ?? undefined,
        session: sticky === undefined ? undefined : SESSION,
        timeoutMs: turnSeconds === undefined ? undefined : Math.ceil(turnSeconds * 1000),
      },
      sticky: sticky === undefined ? undefined : digest(sticky),
      idempotencyKey,
      digest: digestOf(body, sticky),
      options: { ...options },
    });
    switch (put.put) {
      case 'made':
      case 'known':
        return put.taskId;
      case 'conflict':
        throw failure(
          422,
          'idempotency_key_reused',
          'this Idempotency-Key stands for another request; choose a new one',
        );
      case 'full':
        throw busy(`${put.unfinished} tasks are unfinished; ask again later`, 10_000);
    }
  }

  #facts() {
    const created = Math.floor(this.#options.clock.wallUs() / 1e6);
    return { id: `chatcmpl-${randomBytes(12).toString('hex')}`, created };
  }
}

function pollingUrl(taskId: string): string {
  return `/v1/polling/status/${taskId}`;
}

function tooLong(error: RangeError): HttpFailure {
  return failure(413, 'question_too_long', error.message, 'messages');
}

/** @throws HttpFailure always: the task ended without an answer */
function throwEnd(task: DoorTask): never {
  const { errorCode = 'internal' } = task;
  const isCancelled = statusOf(task) === 'cancelled';
  const message = isCancelled ? 'the task was cancelled' : errorText(task);
  const code = isCancelled ? 'cancelled' : errorCode;
  throw settled(isErrorCode(code) ? fromFault(fault(code, message)) : failure(502, code, message));
}

/** Official clients ask again by themselves; here that would make a second task beside the first. */
function settled({ status, body, headers }: HttpFailure): HttpFailure {
  return new HttpFailure(status, body, { ...headers, 'x-should-retry': 'false' });
}

/** Aborted when the client goes away before it has its reply. */
function whenGone(reply: FastifyReply): AbortSignal {
  const gone = new AbortController();
  if (reply.raw.destroyed) gone.abort();
  reply.raw.once('close', () => {
    if (!reply.raw.writableEnded) gone.abort();
  });
  return gone.signal;
}

function header(value: string | string[] | undefined, name: string): string | undefined {
  const text = Array.isArray(value) ? value[0] : value;
  if (text === undefined || text === '') return undefined;
  if (text.length <= MAX_KEY_CHARS) return text;
  throw failure(400, 'bad_request', `${name} has more than ${MAX_KEY_CHARS} characters`);
}

/** Tells a request that comes again from another one. @throws HttpFailure */
function digestOf(body: ChatRequest, sticky: string | undefined): string {
  try {
    return digest(JSON.stringify([body, sticky ?? null]));
  } catch {
    // It was read without a stack of calls; to write it needs one.
    throw failure(400, 'bad_request', 'the request is nested too deeply');
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

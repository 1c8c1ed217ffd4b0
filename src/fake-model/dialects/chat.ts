/** OpenAI chat completions: https://platform.openai.com/docs/api-reference/chat */
import {
  type Asked,
  BadRequest,
  type Dialect,
  type EventStream,
  type Problem,
  type Reply,
  serverSentEvent,
  tokensOf,
} from '../dialect.js';
import { type JsonObject, objectOf, objectsOf, stringOf, textsOf } from '../json.js';

export const chat: Dialect = { api: 'openai', read, whole, stream, problem };

const SYSTEM_ROLES = ['system', 'developer'];

function read(body: JsonObject): Asked {
  const messages = objectsOf(body.messages).map(({ role, content }) => ({
    role: stringOf(role),
    texts: textsOf(content),
  }));
  const last = messages.at(-1);
  if (last === undefined) throw new BadRequest("Missing required parameter: 'messages'.");
  if (stringOf(body.model) === '') throw new BadRequest('you must provide a model parameter');
  const isSystem = ({ role }: { role: string }) => SYSTEM_ROLES.includes(role);
  const system = messages.filter(isSystem).flatMap(({ texts }) => texts);
  return {
    model: stringOf(body.model),
    stream: body.stream === true,
    system: system.join('\n'),
    messages: messages
      .filter((message) => !isSystem(message))
      .map(({ role, texts }) => ({ role, text: texts.join('\n') })),
    asked: last.role === 'user' ? last.texts : [],
    prompt: messages.map(({ texts }) => ({ text: texts.join('\n'), mark: true })),
  };
}

function whole(reply: Reply, text: string): JsonObject {
  const content = reply.tool === undefined ? text : null;
  const calls = reply.tool === undefined ? {} : { tool_calls: [toolCall(reply)] };
  return {
    ...envelope(reply, 'chat.completion'),
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null, ...calls },
        logprobs: null,
        finish_reason: finishReason(reply),
      },
    ],
    usage: usageOf(reply, text),
  };
}

function envelope({ id, asked }: Reply, object: string): JsonObject {
  const created = Math.floor(Date.now() / 1000);
  return {
    id: `chatcmpl-${id}`,
    object,
    created,
    model: asked.model,
    system_fingerprint: 'fp_fake',
  };
}

function usageOf({ usage }: Reply, text: string): JsonObject {
  const prompt = usage.fresh + usage.cacheRead + usage.cacheWrite;
  const completion = tokensOf(text.length);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: usage.cacheRead, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  };
}

function toolCall({ id, tool }: Reply): JsonObject {
  const called = { name: tool?.name, arguments: JSON.stringify(tool?.input) };
  return { id: `call_${id}`, type: 'function', function: called };
}

function finishReason({ stop, tool }: Reply): string {
  if (tool !== undefined) return 'tool_calls';
  return { end: 'stop', max_tokens: 'length', refusal: 'content_filter' }[stop];
}

function stream(reply: Reply): EventStream {
  const wantsUsage = objectOf(reply.body.stream_options).include_usage === true;
  const base = envelope(reply, 'chat.completion.chunk');
  // With `include_usage` every chunk bears the field, and the last alone fills it.
  const unfilled = wantsUsage ? { usage: null } : {};
  const chunk = (delta: JsonObject, finish_reason: string | null = null) =>
    serverSentEvent({
      ...base,
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      ...unfilled,
    });
  return {
    opening: () => chunk({ role: 'assistant', content: '', refusal: null }),
    delta: (content) => chunk({ content }),
    toolCall: () => chunk({ tool_calls: [{ index: 0, ...toolCall(reply) }] }),
    closing: (text) => {
      const usage = usageOf(reply, text);
      const last = wantsUsage ? serverSentEvent({ ...base, choices: [], usage }) : '';
      return `${chunk({}, finishReason(reply))}${last}data: [DONE]\n\n`;
    },
    ping: () => ': ping\n\n',
    failure: () => serverSentEvent(errorBody(500, 'The server had an error.', false)),
  };
}

/** https://platform.openai.com/docs/guides/error-codes */
const KINDS: Readonly<Record<number, readonly [type: string, code: string | null, text: string]>> =
  {
    400: ['invalid_request_error', null, 'The request is not valid.'],
    401: ['invalid_request_error', 'invalid_api_key', 'Incorrect API key provided.'],
    403: ['invalid_request_error', 'unsupported_country_region_territory', 'Not supported here.'],
    404: ['invalid_request_error', 'model_not_found', 'The model does not exist.'],
    413: ['invalid_request_error', null, 'The request is too large.'],
    429: ['requests', 'rate_limit_exceeded', 'Rate limit reached for requests.'],
  };

const TOO_LONG =
  "This model's maximum context length is 128000 tokens. However, your messages resulted in " +
  '300000 tokens. Please reduce the length of the messages.';

function errorBody(status: number, text: string | undefined, tooLong: boolean): JsonObject {
  const [type, code, usual] = tooLong
    ? (['invalid_request_error', 'context_length_exceeded', TOO_LONG] as const)
    : (KINDS[status] ?? (['server_error', null, 'The server had an error.'] as const));
  const param = tooLong ? 'messages' : null;
  return { error: { message: text ?? usual, type, param, code } };
}

export function problem({ status, message, tooLong, resetS = 60, id }: Problem) {
  const limited = {
    'x-ratelimit-limit-requests': '50',
    'x-ratelimit-remaining-requests': '0',
    'x-ratelimit-reset-requests': `${resetS}s`,
  };
  return {
    body: errorBody(status, message, tooLong),
    headers: { 'x-request-id': `req_${id}`, ...(status === 429 ? limited : {}) },
  };
}

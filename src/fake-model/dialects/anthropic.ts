/** Anthropic Messages: https://docs.anthropic.com/en/api/messages and …/messages-streaming */
import {
  type Asked,
  BadRequest,
  type Dialect,
  type EventStream,
  type Problem,
  type PromptPart,
  type Reply,
  serverSentEvent,
  type ToolCall,
  tokensOf,
} from '../dialect.js';
import { type JsonObject, objectsOf, stringOf, textsOf } from '../json.js';

export const anthropic: Dialect = {
  api: 'anthropic',
  read(body) {
    if (!Number.isInteger(body.max_tokens)) throw new BadRequest('max_tokens: Field required');
    return readPrompt(body);
  },
  whole: (reply, text) => message(reply, contentOf(reply, text), tokensOf(text.length)),
  stream,
  problem,
};

/** What is asked, without the fields that only an answer needs. */
export function readPrompt(body: JsonObject): Asked {
  const messages = objectsOf(body.messages);
  if (messages.length === 0) throw new BadRequest('messages: at least one message is required');
  if (stringOf(body.model) === '') throw new BadRequest('model: Field required');
  // Claude Code ends its requests with a message of the system's, about the day and the like.
  const last = messages.findLast(({ role }) => role !== 'system');
  return {
    model: stringOf(body.model),
    stream: body.stream === true,
    system: textsOf(body.system).join('\n'),
    messages: messages.map(({ role, content }) => ({
      role: stringOf(role),
      text: textsOf(content).join('\n'),
    })),
    asked: last?.role === 'user' ? ownTexts(last.content) : [],
    prompt: [
      ...objectsOf(body.tools).map((tool) => ({
        text: JSON.stringify(tool),
        mark: isMarked(tool),
      })),
      ...promptParts(body.system),
      ...messages.flatMap(({ content }) => promptParts(content)),
      { text: '', mark: isMarked(body) },
    ],
  };
}

/** Results of tools are not what the user says. */
function ownTexts(content: unknown): string[] {
  if (typeof content === 'string') return [content];
  return objectsOf(content).flatMap(({ text }) => (typeof text === 'string' ? [text] : []));
}

function promptParts(content: unknown): PromptPart[] {
  if (typeof content === 'string') return [{ text: content, mark: false }];
  return objectsOf(content).map((part) => ({
    text: textsOf([part]).join('\n'),
    mark: isMarked(part),
  }));
}

function isMarked(part: JsonObject): boolean {
  return typeof part.cache_control === 'object' && part.cache_control !== null;
}

function message(reply: Reply, content: readonly JsonObject[], outputTokens: number): JsonObject {
  return {
    id: `msg_${reply.id}`,
    type: 'message',
    role: 'assistant',
    model: reply.asked.model,
    content,
    stop_reason: stopReason(reply),
    stop_sequence: null,
    usage: usageOf(reply, outputTokens),
  };
}

function usageOf({ usage }: Reply, outputTokens: number): JsonObject {
  return {
    input_tokens: usage.fresh,
    cache_creation_input_tokens: usage.cacheWrite,
    cache_read_input_tokens: usage.cacheRead,
    output_tokens: outputTokens,
    service_tier: 'standard',
  };
}

function contentOf({ tool, id }: Reply, text: string): JsonObject[] {
  if (tool !== undefined) {
    return [{ type: 'tool_use', id: `toolu_${id}`, name: tool.name, input: tool.input }];
  }
  return text === '' ? [] : [{ type: 'text', text }];
}

function stopReason({ stop, tool }: Reply): string {
  if (tool !== undefined) return 'tool_use';
  return stop === 'end' ? 'end_turn' : stop;
}

function stream(reply: Reply): EventStream {
  let isOpen = false;
  const event = (data: JsonObject) => serverSentEvent(data, stringOf(data.type));
  const startBlock = (content_block: JsonObject) => {
    isOpen = true;
    return event({ type: 'content_block_start', index: 0, content_block });
  };
  const delta = (data: JsonObject) => event({ type: 'content_block_delta', index: 0, delta: data });
  const ping = () => event({ type: 'ping' });
  return {
    opening: () => {
      const opened = { ...message(reply, [], 1), stop_reason: null };
      return event({ type: 'message_start', message: opened }) + ping();
    },
    delta: (text) =>
      (isOpen ? '' : startBlock({ type: 'text', text: '' })) + delta({ type: 'text_delta', text }),
    toolCall: ({ name, input }: ToolCall) =>
      startBlock({ type: 'tool_use', id: `toolu_${reply.id}`, name, input: {} }) +
      delta({ type: 'input_json_delta', partial_json: JSON.stringify(input) }),
    closing: (text) =>
      (isOpen ? event({ type: 'content_block_stop', index: 0 }) : '') +
      event({
        type: 'message_delta',
        delta: { stop_reason: stopReason(reply), stop_sequence: null },
        usage: usageOf(reply, tokensOf(text.length)),
      }) +
      event({ type: 'message_stop' }),
    ping,
    failure: () =>
      event({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }),
  };
}

/** https://docs.anthropic.com/en/api/errors */
const KINDS: Readonly<Record<number, readonly [type: string, message: string]>> = {
  400: ['invalid_request_error', 'The request is not valid.'],
  401: ['authentication_error', 'invalid x-api-key'],
  402: ['billing_error', 'Your credit balance is too low.'],
  403: ['permission_error', 'Your API key does not have permission to use the resource.'],
  404: ['not_found_error', 'Not found'],
  413: ['request_too_large', 'Request exceeds the maximum size'],
  429: ['rate_limit_error', "This request would exceed your account's rate limit."],
  504: ['timeout_error', 'The request timed out while processing.'],
  529: ['overloaded_error', 'Overloaded'],
};

const TOO_LONG = 'prompt is too long: 1200000 tokens > 200000 maximum';

function problem({ status, message, tooLong, resetS, id }: Problem) {
  const [type, usual] = KINDS[status] ?? ['api_error', 'Internal server error'];
  return {
    body: {
      type: 'error',
      error: { type, message: message ?? (tooLong ? TOO_LONG : usual) },
      request_id: `req_${id}`,
    },
    headers: {
      'request-id': `req_${id}`,
      ...(status === 429 ? rateLimitHeaders(resetS ?? 60) : {}),
    },
  };
}

/** https://docs.anthropic.com/en/api/rate-limits#response-headers, and those of subscriptions. */
function rateLimitHeaders(resetS: number): Record<string, string> {
  const at = new Date(Date.now() + resetS * 1000);
  const iso = at.toISOString().replace(/\.\d+/, '');
  return {
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '0',
    'anthropic-ratelimit-requests-reset': iso,
    'anthropic-ratelimit-tokens-limit': '50000',
    'anthropic-ratelimit-tokens-remaining': '0',
    'anthropic-ratelimit-tokens-reset': iso,
    'anthropic-ratelimit-unified-status': 'rejected',
    'anthropic-ratelimit-unified-reset': String(Math.ceil(at.getTime() / 1000)),
    'anthropic-ratelimit-unified-representative-claim': 'five_hour',
  };
}

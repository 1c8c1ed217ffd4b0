/** Gemini generateContent and streamGenerateContent: https://ai.google.dev/api/generate-content */
import {
  type Asked,
  BadRequest,
  type Dialect,
  type EventStream,
  type Problem,
  type Reply,
  serverSentEvent,
  type ToolCall,
  tokensOf,
} from '../dialect.js';
import { type JsonObject, objectOf, objectsOf, stringOf, textsOf } from '../json.js';

export const gemini: Dialect = { api: 'gemini', read, whole, stream, problem };

export const GEMINI_PATH =
  /^\/v1(?:alpha|beta)?\/models\/([^/:]+):(generateContent|streamGenerateContent)$/;

function read(body: JsonObject, { pathname, searchParams }: URL): Asked {
  const [, model = '', method = ''] = GEMINI_PATH.exec(pathname) ?? [];
  const stream = method === 'streamGenerateContent';
  if (stream && searchParams.get('alt') !== 'sse') {
    throw new BadRequest('the fake model streams with alt=sse only');
  }
  const contents = objectsOf(body.contents);
  const last = contents.at(-1);
  if (last === undefined) throw new BadRequest('contents is not specified');
  const system = textsOf(objectOf(body.systemInstruction ?? body.system_instruction).parts);
  const messages = contents.map(({ role, parts }) => ({
    role: stringOf(role) || 'user',
    text: textsOf(parts).join('\n'),
  }));
  return {
    model,
    stream,
    system: system.join('\n'),
    messages,
    asked: messages.at(-1)?.role === 'user' ? textsOf(last.parts) : [],
    prompt: [system.join('\n'), ...messages.map(({ text }) => text)].map((text) => ({
      text,
      mark: true,
    })),
  };
}

function whole(reply: Reply, text: string): JsonObject {
  const parts = reply.tool === undefined ? [{ text }] : [functionCall(reply.tool)];
  return piece(reply, text === '' && reply.tool === undefined ? [] : parts, text, true);
}

function piece(reply: Reply, parts: JsonObject[], text: string, isLast: boolean): JsonObject {
  const finishReason = { end: 'STOP', max_tokens: 'MAX_TOKENS', refusal: 'SAFETY' }[reply.stop];
  return {
    candidates: [
      { content: { parts, role: 'model' }, ...(isLast ? { finishReason } : {}), index: 0 },
    ],
    usageMetadata: usageOf(reply, text),
    modelVersion: reply.asked.model,
    responseId: reply.id,
  };
}

function usageOf({ usage }: Reply, text: string): JsonObject {
  const prompt = usage.fresh + usage.cacheRead + usage.cacheWrite;
  const candidates = tokensOf(text.length);
  return {
    promptTokenCount: prompt,
    cachedContentTokenCount: usage.cacheRead,
    candidatesTokenCount: candidates,
    totalTokenCount: prompt + candidates,
  };
}

function functionCall({ name, input }: ToolCall): JsonObject {
  return { functionCall: { name, args: input } };
}

function stream(reply: Reply): EventStream {
  return {
    // Gemini has no event before the first text, and none that means nothing.
    opening: () => '',
    delta: (text) => serverSentEvent(piece(reply, [{ text }], text, false)),
    toolCall: (tool) => serverSentEvent(piece(reply, [functionCall(tool)], '', false)),
    closing: (text) => serverSentEvent(piece(reply, [{ text: '' }], text, true)),
    ping: () => ': ping\n\n',
    failure: () => serverSentEvent(errorBody(503, 'The model is overloaded.', undefined)),
  };
}

/** https://ai.google.dev/gemini-api/docs/troubleshooting */
const KINDS: Readonly<Record<number, readonly [status: string, message: string]>> = {
  400: ['INVALID_ARGUMENT', 'The request is not valid.'],
  401: ['UNAUTHENTICATED', 'Request had invalid authentication credentials.'],
  403: ['PERMISSION_DENIED', 'Your API key does not have the required permissions.'],
  404: ['NOT_FOUND', 'The model is not found.'],
  429: ['RESOURCE_EXHAUSTED', 'You exceeded your current quota.'],
  500: ['INTERNAL', 'An internal error has occurred.'],
  504: ['DEADLINE_EXCEEDED', 'The request timed out.'],
};

const TOO_LONG =
  'The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).';

function errorBody(code: number, text: string | undefined, resetS: number | undefined): JsonObject {
  const [status, usual] = KINDS[code] ?? ['UNAVAILABLE', 'The model is overloaded.'];
  const retryInfo = {
    '@type': 'type.googleapis.com/google.rpc.RetryInfo',
    retryDelay: `${resetS ?? 60}s`,
  };
  const details = code === 429 ? { details: [retryInfo] } : {};
  return { error: { code, message: text ?? usual, status, ...details } };
}

function problem({ status, message, tooLong, resetS }: Problem) {
  const text = message ?? (tooLong ? TOO_LONG : undefined);
  return { body: errorBody(status, text, resetS), headers: {} };
}

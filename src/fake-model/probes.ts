/** What clients ask besides answers: they are told what keeps them going. */
import { BadRequest, tokensOf } from './dialect.js';
import { readPrompt } from './dialects/anthropic.js';
import { type JsonObject, objectOf, objectsOf, stringOf, textsOf } from './json.js';

export interface ProbeAnswer {
  readonly status: number;
  readonly body: JsonObject;
}

const MODEL = 'fake-model';
const CREATED_S = 1_700_000_000;

/** @throws BadRequest */
export function answerProbe(method: string, pathname: string, body: JsonObject): ProbeAnswer {
  const isPost = method === 'POST';
  const isGet = method === 'GET' || method === 'HEAD';
  if (isPost && pathname === '/v1/messages/count_tokens') return ok(countTokens(body));
  if (isPost && /:countTokens$/.test(pathname)) return ok(countGeminiTokens(body));
  if (isGet && pathname === '/v1/models') return ok(models());
  const named = /^\/v1\/models\/([^/]+)$/.exec(pathname)?.[1];
  if (isGet && named !== undefined) return ok(model(named));
  if (pathname.startsWith('/api/')) return ok(ollama(pathname, body));
  if (isGet && pathname === '/') return ok({ status: 'ok' });
  const error = { type: 'not_found_error', message: `the fake model has no ${pathname}` };
  return { status: 404, body: { type: 'error', error } };
}

function ok(body: JsonObject): ProbeAnswer {
  return { status: 200, body };
}

function countTokens(body: JsonObject): JsonObject {
  const chars = readPrompt(body).prompt.reduce((sum, { text }) => sum + text.length, 0);
  return { input_tokens: tokensOf(chars) };
}

function countGeminiTokens(body: JsonObject): JsonObject {
  const asked = objectOf(body.generateContentRequest ?? body);
  if (!Array.isArray(asked.contents)) throw new BadRequest('contents is not specified');
  const texts = objectsOf(asked.contents).flatMap(({ parts }) => textsOf(parts));
  return { totalTokens: tokensOf(texts.join('').length) };
}

/** A list as both OpenAI and Anthropic write it. */
function models(): JsonObject {
  return {
    object: 'list',
    data: [model(MODEL)],
    has_more: false,
    first_id: MODEL,
    last_id: MODEL,
  };
}

function model(id: string): JsonObject {
  return {
    id,
    object: 'model',
    created: CREATED_S,
    owned_by: 'warmline',
    type: 'model',
    display_name: id,
    created_at: new Date(CREATED_S * 1000).toISOString(),
  };
}

/**
 * The parts of Ollama's own API that load a model and list those there are:
 * https://github.com/ollama/ollama/blob/main/docs/api.md. Other paths of this kind are reports of
 * clients about themselves.
 */
function ollama(pathname: string, body: JsonObject): JsonObject {
  const name = stringOf(body.model) || MODEL;
  switch (pathname) {
    case '/api/generate':
    case '/api/chat':
      return {
        model: name,
        created_at: new Date().toISOString(),
        response: '',
        done: true,
        done_reason: 'load',
      };
    case '/api/tags':
    case '/api/ps':
      return { models: [{ name, model: name }] };
    case '/api/version':
      return { version: '0.0.0' };
    default:
      return {};
  }
}

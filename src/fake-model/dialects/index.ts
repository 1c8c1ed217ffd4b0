/** Which API a request is for. */
import type { Dialect } from '../dialect.js';
import { anthropic } from './anthropic.js';
import { chat } from './chat.js';
import { GEMINI_PATH, gemini } from './gemini.js';
import { responses } from './responses.js';

const BY_PATH: ReadonlyMap<string, Dialect> = new Map([
  ['/v1/messages', anthropic],
  ['/v1/chat/completions', chat],
  ['/v1/responses', responses],
]);

/** Undefined when the request wants no answer of a model. */
export function dialectFor(method: string | undefined, pathname: string): Dialect | undefined {
  if (method !== 'POST') return undefined;
  return BY_PATH.get(pathname) ?? (GEMINI_PATH.test(pathname) ? gemini : undefined);
}

/** Which API a request is for. */
import type { Dialect } from '../dialect.js';
import { anthropic } from './anthropic.js';
import { chat } from './chat.js';

const BY_PATH: ReadonlyMap<string, Dialect> = new Map([
  ['/v1/messages', anthropic],
  ['/v1/chat/completions', chat],
]);

/** Undefined when the request wants no answer of a model. */
export function dialectFor(method: string | undefined, pathname: string): Dialect | undefined {
  return method === 'POST' ? BY_PATH.get(pathname) : undefined;
}

/**
 * What only Ollama needs: it drops a model five minutes after its last question, and its
 * OpenAI-compatible API has no word for that. A request to its own API loads the model and says how
 * long it stays; questions that come by the other API keep that.
 * https://docs.ollama.com/faq#how-do-i-keep-a-model-loaded-in-memory-or-make-it-unload-immediately
 */
import type { Log } from '../../log.js';
import type { Fetch } from '../api/index.js';

interface OllamaOptions {
  /** The base URL of its OpenAI-compatible API. */
  readonly url: string;
  readonly model: string;
  /** Undefined: the server is asked. */
  readonly isOllama: boolean | undefined;
  readonly keepAlive: string | number;
  readonly key: string | undefined;
  readonly log: Log;
}

export interface Ollama {
  /**
   * Opens the connection and has the model loaded, which may take minutes and is not waited for.
   * @returns whether the server is Ollama
   */
  greet(fetch: Fetch, signal: AbortSignal): Promise<boolean>;
}

export function createOllama(options: OllamaOptions): Ollama {
  const { model, log } = options;
  const root = options.url.replace(/\/v1$/, '');
  const headers = options.key === undefined ? {} : { Authorization: `Bearer ${options.key}` };
  let isOllama = options.isOllama;

  async function load(fetch: Fetch, signal: AbortSignal): Promise<void> {
    const body = JSON.stringify({ model, keep_alive: options.keepAlive, stream: false });
    const type = { 'Content-Type': 'application/json' };
    const init = { method: 'POST', headers: { ...headers, ...type }, body, signal };
    try {
      const response = await fetch(`${root}/api/generate`, init);
      await response.text();
      const { ok, status } = response;
      if (!ok) log.warn({ model, status }, 'Ollama does not load the model');
    } catch (err) {
      if (!signal.aborted) log.debug({ model, err }, 'Ollama was not asked to load the model');
    }
  }

  return {
    async greet(fetch, signal) {
      if (isOllama === false) return false;
      const response = await fetch(`${root}/api/version`, { headers, signal });
      const body = await response.text();
      // A server that is just starting says nothing about what it is.
      if (response.status < 500) isOllama ??= response.ok && isVersion(body);
      if (isOllama !== true) return false;
      void load(fetch, signal);
      return true;
    },
  };
}

function isVersion(body: string): boolean {
  try {
    const { version } = JSON.parse(body) as { version?: unknown };
    return typeof version === 'string';
  } catch {
    return false;
  }
}

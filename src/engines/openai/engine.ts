/**
 * Any server that speaks OpenAI's chat completions: OpenAI itself, Ollama, vLLM, llama.cpp, LM
 * Studio and many more. Loaded only when it is configured.
 */
import { type ApiEngineOptions, createApiEngine, serviceOf } from '../api/index.js';
import type { Engine } from '../engine.js';
import { DEFAULT_PROMPT_BYTES } from '../grounding/index.js';
import { connectOpenAi } from './client.js';
import { createOllama } from './ollama.js';

export interface OpenAiOptions extends ApiEngineOptions {
  /** Whether the server is Ollama; when it is not said, a server without TLS is asked. */
  readonly ollama?: boolean | undefined;
  /**
   * How long Ollama keeps the model loaded after its last question: a duration, `24h`, or seconds,
   * negative for ever. https://docs.ollama.com/api/generate
   */
  readonly keepAlive?: string | number | undefined;
}

const OPENAI_URL = 'https://api.openai.com/v1';

/** Fits a window of 4,096 tokens, which local servers open with, and leaves room for the answer. */
const SMALL_PROMPT_BYTES = 8 * 1024;

/** OpenAI drops a prefix after 5 to 10 minutes, local servers when others push it out. */
const PREFIX_LIVES_MS = 5 * 60_000;

/** Longer than a session lives, and each that opens asks for it again. */
const KEEP_ALIVE = '24h';

/** @throws ConfigError without a model, or without a key where one is needed */
export async function createOpenAiEngine(options: OpenAiOptions): Promise<Engine> {
  const service = serviceOf(options, OPENAI_URL);
  const isOfficial = service.url === OPENAI_URL;
  const ollama = createOllama({
    url: service.url,
    model: service.model,
    isOllama: options.ollama ?? (service.url.startsWith('https:') ? false : undefined),
    keepAlive: options.keepAlive ?? KEEP_ALIVE,
    key: options.key,
    log: options.log,
  });
  return createApiEngine({
    options,
    service,
    maxContextBytes:
      options.maxContextBytes ?? (isOfficial ? DEFAULT_PROMPT_BYTES : SMALL_PROMPT_BYTES),
    prefixLivesMs: PREFIX_LIVES_MS,
    connectApi: (fetches) =>
      connectOpenAi({
        fetches,
        service,
        ollama,
        isOfficial,
        maxOutputTokens: options.maxOutputTokens,
      }),
  });
}

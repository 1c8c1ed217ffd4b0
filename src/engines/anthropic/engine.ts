/** Anthropic's Messages API, with the context in the prompt cache. Loaded only when configured. */
import { type ApiEngineOptions, createApiEngine, serviceOf } from '../api/index.js';
import type { Engine } from '../engine.js';
import { DEFAULT_PROMPT_BYTES } from '../grounding/index.js';
import { connectAnthropic } from './client.js';

export interface AnthropicOptions extends ApiEngineOptions {
  /**
   * How long the provider keeps the context cached after its last use. Writing costs 1.25 times the
   * input price for `5m` and twice for `1h`, reading a tenth.
   * https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching
   */
  readonly cacheTtl?: '5m' | '1h' | undefined;
}

const ANTHROPIC_URL = 'https://api.anthropic.com';

/** The API demands a limit. This is one that current models allow, and some 30 KB of text. */
const MAX_OUTPUT_TOKENS = 8_192;

const TTL_MS = { '5m': 5 * 60_000, '1h': 60 * 60_000 };

/** @throws ConfigError without a model, or without a key where one is needed */
export async function createAnthropicEngine(options: AnthropicOptions): Promise<Engine> {
  const service = serviceOf(withoutVersion(options), ANTHROPIC_URL);
  const { cacheTtl = '5m', maxOutputTokens = MAX_OUTPUT_TOKENS } = options;
  return createApiEngine({
    options,
    service,
    maxContextBytes: options.maxContextBytes ?? DEFAULT_PROMPT_BYTES,
    prefixLivesMs: TTL_MS[cacheTtl],
    connectApi: (fetches) => connectAnthropic({ fetches, service, cacheTtl, maxOutputTokens }),
  });
}

/** The client adds the version of the API itself. */
function withoutVersion(options: AnthropicOptions): AnthropicOptions {
  return { ...options, baseUrl: options.baseUrl?.replace(/\/v1\/*$/, '') };
}

/** Chat completions by the official client: https://platform.openai.com/docs/api-reference/chat */
import OpenAI from 'openai';
import type {
  ChatCompletionChunk,
  ChatCompletionCreateParamsStreaming,
} from 'openai/resources/chat/completions';
import {
  clientSettings,
  type Fetch,
  type Fetches,
  type ModelApi,
  type Piece,
  type Prompt,
  type Service,
  stopWord,
  tokens,
} from '../api/index.js';
import type { Ollama } from './ollama.js';

interface OpenAiParts {
  readonly fetches: Fetches;
  readonly service: Service;
  readonly ollama: Ollama;
  /** OpenAI's own server: newer models know only the newer names of settings. */
  readonly isOfficial: boolean;
  readonly maxOutputTokens: number | undefined;
}

export function connectOpenAi(parts: OpenAiParts): ModelApi {
  const { fetches, service, ollama } = parts;
  const client = clientOf(fetches.fetch, service);
  const streaming = clientOf(fetches.fetchEvents, service);
  return {
    async greet(signal) {
      if (await ollama.greet(fetches.fetch, signal)) return;
      await client.models.retrieve(service.model, { signal });
    },
    async *ask(prompt, signal) {
      const stream = await streaming.chat.completions.create(request(prompt, parts), { signal });
      for await (const chunk of stream) yield* pieces(chunk);
    },
    async listModels(signal) {
      const { data } = await client.models.list({ signal });
      return data.map(({ id }) => String(id));
    },
  };
}

function clientOf(fetch: Fetch, service: Service): OpenAI {
  return new OpenAI({
    ...clientSettings(fetch, service),
    // Each is said, so that the client takes none from the environment.
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
  });
}

function request(prompt: Prompt, parts: OpenAiParts): ChatCompletionCreateParamsStreaming {
  const { service, isOfficial } = parts;
  const most = prompt.isRehearsal === true ? 1 : parts.maxOutputTokens;
  return {
    model: service.model,
    messages: [{ role: 'system', content: prompt.system }, ...prompt.messages],
    stream: true,
    stream_options: { include_usage: true },
    ...(most === undefined ? {} : { [isOfficial ? 'max_completion_tokens' : 'max_tokens']: most }),
  };
}

/** A chunk comes from a server of any make: nothing in it is taken for granted. */
function* pieces(chunk: Partial<ChatCompletionChunk>): Generator<Piece> {
  const choice = chunk.choices?.[0] as Partial<ChatCompletionChunk.Choice> | undefined;
  const { content, refusal } = choice?.delta ?? {};
  if (typeof content === 'string' && content !== '') yield { type: 'text', text: content };
  if (typeof refusal === 'string' && refusal !== '') yield { type: 'text', text: refusal };
  if (typeof choice?.finish_reason === 'string') {
    yield { type: 'stop', reason: STOP[choice.finish_reason] ?? stopWord(choice.finish_reason) };
  }
  if (chunk.usage) yield { type: 'usage', usage: usageOf(chunk.usage) };
}

/** The words every engine uses for the same thing. */
const STOP: Readonly<Record<string, string>> = {
  stop: 'end_turn',
  length: 'max_tokens',
  content_filter: 'refusal',
  tool_calls: 'tool_use',
};

/** As Anthropic counts: what was read from a cache is not among the input tokens. */
function usageOf(usage: OpenAI.CompletionUsage) {
  const cached = tokens(usage.prompt_tokens_details?.cached_tokens);
  const prompt = tokens(usage.prompt_tokens);
  return {
    input_tokens: Math.max(0, prompt - cached),
    output_tokens: tokens(usage.completion_tokens),
    ...(cached > 0 ? { cache_read_input_tokens: cached } : {}),
  };
}

/** Messages by the official client: https://docs.anthropic.com/en/api/messages */
import Anthropic from '@anthropic-ai/sdk';
import type {
  MessageCreateParamsStreaming,
  MessageParam,
  RawMessageStreamEvent,
} from '@anthropic-ai/sdk/resources/messages';
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
import type { Usage } from '../engine.js';

interface AnthropicParts {
  readonly fetches: Fetches;
  readonly service: Service;
  readonly cacheTtl: '5m' | '1h';
  readonly maxOutputTokens: number;
}

export function connectAnthropic(parts: AnthropicParts): ModelApi {
  const { fetches, service } = parts;
  const client = clientOf(fetches.fetch, service);
  const streaming = clientOf(fetches.fetchEvents, service);
  return {
    async greet(signal) {
      await client.models.retrieve(service.model, {}, { signal });
    },
    async *ask(prompt, signal) {
      const stream = await streaming.messages.create(request(prompt, parts), { signal });
      const reader = new Reader();
      for await (const event of stream) yield* reader.read(event);
    },
    async listModels(signal) {
      const { data } = await client.models.list({ limit: 100 }, { signal });
      return data.map(({ id }) => String(id));
    },
  };
}

function clientOf(fetch: Fetch, service: Service): Anthropic {
  return new Anthropic({
    ...clientSettings(fetch, service),
    // Each is said, so that the client takes none from the environment or a login of its own.
    authToken: null,
    webhookKey: null,
    // Its traces would hold what is asked and answered.
    openTelemetry: false,
  });
}

function request(prompt: Prompt, parts: AnthropicParts): MessageCreateParamsStreaming {
  const cache_control = { type: 'ephemeral', ttl: parts.cacheTtl } as const;
  return {
    model: parts.service.model,
    max_tokens: prompt.isRehearsal === true ? 1 : parts.maxOutputTokens,
    system: [{ type: 'text', text: prompt.system, cache_control }],
    messages: prompt.messages.map(({ role, content }, at): MessageParam => {
      // A conversation that has begun goes on: it is written up to this question, and read up to
      // the one before. Of a first question nobody knows, and a cache that is written and never
      // read costs more than none.
      const hasBegun = prompt.messages.length > 1;
      const isLatest = role === 'user' && at >= prompt.messages.length - 3;
      const mark = hasBegun && isLatest ? { cache_control } : {};
      return { role, content: [{ type: 'text', text: content, ...mark }] };
    }),
    stream: true,
  };
}

/** The events of one answer: https://docs.anthropic.com/en/api/messages-streaming */
class Reader {
  #usage: Usage = { input_tokens: 0, output_tokens: 0 };
  #stopReason = 'end_turn';

  *read(event: RawMessageStreamEvent): Generator<Piece> {
    switch (event.type) {
      case 'message_start':
        this.#count(event.message?.usage);
        return;
      case 'content_block_start':
        if (event.content_block?.type === 'text') yield* textOf(event.content_block.text);
        return;
      case 'content_block_delta':
        if (event.delta?.type === 'text_delta') yield* textOf(event.delta.text);
        return;
      case 'message_delta':
        this.#count(event.usage);
        this.#stopReason = String(event.delta?.stop_reason ?? this.#stopReason);
        return;
      case 'message_stop':
        yield { type: 'usage', usage: this.#usage };
        yield { type: 'stop', reason: stopWord(this.#stopReason) };
        return;
      default:
        // A kind of event this version does not know.
        return;
    }
  }

  /** Counts are totals so far; those that are missing stay as they were. */
  #count(counts: object | null | undefined): void {
    const known: Record<string, number> = { ...this.#usage };
    for (const name of COUNTS) {
      const count = (counts as Record<string, unknown> | null | undefined)?.[name];
      if (typeof count === 'number') known[name] = tokens(count);
    }
    this.#usage = { input_tokens: 0, output_tokens: 0, ...known };
  }
}

const COUNTS = [
  'input_tokens',
  'output_tokens',
  'cache_creation_input_tokens',
  'cache_read_input_tokens',
];

function* textOf(text: unknown): Generator<Piece> {
  if (typeof text === 'string' && text !== '') yield { type: 'text', text };
}

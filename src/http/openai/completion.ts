/** Answers in the shapes of OpenAI's chat API. Pure. */
import type { ChatCompletion, FinishReason, Usage } from './schema.js';

/** What a reply is made of, wherever it was kept. */
export interface Answered {
  readonly answer: string;
  readonly sources: readonly string[];
  readonly engine: string;
  /** The model that answered, which need not be the one that was asked for. */
  readonly model: string;
  readonly usage: Usage | undefined;
  readonly stopReason?: string | undefined;
}

/** Engines count what was read from or written to a cache apart, OpenAI as part of the prompt. */
export function usageOf(usage: Readonly<Record<string, number>> | undefined): Usage | undefined {
  if (usage === undefined) return undefined;
  const { input_tokens = 0, output_tokens: completion_tokens = 0 } = usage;
  const { cache_read_input_tokens: cached_tokens = 0, cache_creation_input_tokens = 0 } = usage;
  const prompt_tokens = input_tokens + cached_tokens + cache_creation_input_tokens;
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    ...(cached_tokens > 0 && { prompt_tokens_details: { cached_tokens } }),
  };
}

const FINISH: Readonly<Record<string, FinishReason>> = {
  max_tokens: 'length',
  length: 'length',
  max_output_tokens: 'length',
  content_filter: 'content_filter',
  refusal: 'content_filter',
};

export function finishReason(stopReason: string | undefined): FinishReason {
  return FINISH[stopReason ?? ''] ?? 'stop';
}

export interface CompletionFacts {
  readonly id: string;
  /** Seconds since the epoch. */
  readonly created: number;
  readonly taskId?: string | undefined;
}

export function completion(answered: Answered, facts: CompletionFacts): ChatCompletion {
  const { answer: content, usage } = answered;
  return {
    id: facts.id,
    object: 'chat.completion',
    created: facts.created,
    model: answered.model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content, refusal: null },
        logprobs: null,
        finish_reason: finishReason(answered.stopReason),
      },
    ],
    ...(usage && { usage }),
    warmline: extra(answered, facts.taskId),
  };
}

export function extra({ engine, sources }: Answered, taskId?: string): ChatCompletion['warmline'] {
  return { engine, sources: [...sources], ...(taskId !== undefined && { task_id: taskId }) };
}

/** One chunk of a streamed answer. */
export function chunk(
  { id, created }: CompletionFacts,
  model: string,
  delta: { readonly role?: 'assistant'; readonly content?: string },
  finish: FinishReason | null = null,
): object {
  return {
    id,
    object: 'chat.completion.chunk',
    created,
    model,
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  };
}

/** The last chunk of a stream whose client asked for figures. */
export function usageChunk(
  { id, created }: CompletionFacts,
  model: string,
  usage: Usage | undefined,
): object {
  const object = 'chat.completion.chunk';
  return { id, object, created, model, choices: [], usage: usage ?? null };
}

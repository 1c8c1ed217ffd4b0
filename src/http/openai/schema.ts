/**
 * The chat request as OpenAI clients send it, and what we add to it. Fields that we do not know are
 * let through and ignored: clients send many, and new ones each year.
 */
import { z } from 'zod';

/** Longest names, paths and session keys, in UTF-16 units; as on the wire of the bridge. */
const MAX_NAME = 256;
const MAX_PATH = 4096;
const MAX_SECONDS = 86_400;

const Part = z.looseObject({ type: z.string().max(MAX_NAME), text: z.string().optional() });

const Message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.union([z.string(), z.array(Part)]).nullish(),
});
export type Message = z.infer<typeof Message>;

export const ChatRequest = z.looseObject({
  messages: z.array(Message).describe('the last user message is the question'),
  model: z.string().min(1).max(MAX_NAME).nullish().describe('an engine, alias or model'),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  response_format: z.looseObject({ type: z.string().max(MAX_NAME) }).nullish(),
  user: z.string().max(MAX_NAME).nullish().describe('requests with the same one share a session'),
  n: z.literal(1, 'only one answer is given; leave it out').nullish(),
  polling_mode: z.boolean().nullish().describe('answers at once with a task to ask for'),
  timeout: z
    .number()
    .positive()
    .max(MAX_SECONDS)
    .nullish()
    .describe('seconds; 300 unless given, and with polling_mode the time for a turn'),
  priority: z.int().min(-1000).max(1000).nullish().describe('higher goes first'),
  context_file: z.string().min(1).max(MAX_PATH).nullish().describe('the document to answer from'),
});
export type ChatRequest = z.infer<typeof ChatRequest>;

const Usage = z.object({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.object({ cached_tokens: z.int() }).optional(),
});
export type Usage = z.infer<typeof Usage>;

/** What a reply says beyond what OpenAI's does. */
const Extra = z.object({
  engine: z.string(),
  sources: z.array(z.string()),
  task_id: z.string().optional(),
});

export const ChatCompletion = z.object({
  id: z.string(),
  object: z.literal('chat.completion'),
  created: z.int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.object({
        role: z.literal('assistant'),
        content: z.string(),
        refusal: z.null(),
      }),
      logprobs: z.null(),
      finish_reason: z.enum(['stop', 'length', 'content_filter']),
    }),
  ),
  usage: Usage.optional(),
  warmline: Extra,
});
export type ChatCompletion = z.infer<typeof ChatCompletion>;
export type FinishReason = ChatCompletion['choices'][number]['finish_reason'];

export const ModelList = z.object({
  object: z.literal('list'),
  data: z.array(
    z.object({
      id: z.string(),
      object: z.literal('model'),
      created: z.int(),
      owned_by: z.string(),
    }),
  ),
});

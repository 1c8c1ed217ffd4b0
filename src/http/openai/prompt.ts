/** The messages of a chat as one question, which is what an engine is asked. Pure. */
import type { Message } from './schema.js';

export interface PromptOptions {
  /** The session remembers what was said before: only what is new is said. */
  readonly remembers: boolean;
  /** The engine takes every word as one to look for, and knows no instructions. */
  readonly wordsOnly: boolean;
  readonly wantsJson: boolean;
}

export type Prompt =
  | { readonly ok: true; readonly question: string }
  | { readonly ok: false; readonly why: 'no user message' | 'not text' };

const ASK_FOR_JSON = 'Answer with one JSON object and nothing else: no prose, no code fences.';

/**
 * The last user message is the question. One that stands alone is asked as it is; what came before
 * it and what the system says is put in front under headings of its own.
 */
export function toQuestion(messages: readonly Message[], options: PromptOptions): Prompt {
  if (messages.some(hasOtherParts)) return { ok: false, why: 'not text' };
  const at = messages.findLastIndex(({ role }) => role === 'user');
  const question = textOf(messages[at]);
  if (question.trim() === '') return { ok: false, why: 'no user message' };
  if (options.wordsOnly) return { ok: true, question };
  const before = messages.slice(0, at);
  const answered = before.findLastIndex(({ role }) => role === 'assistant');
  const fresh = options.remembers ? before.slice(answered + 1) : before;
  const isFirst = !options.remembers || answered < 0;
  const instructions = [
    ...before.filter((message) => isFirst && isInstruction(message)).map(textOf),
    ...(options.wantsJson ? [ASK_FOR_JSON] : []),
  ];
  const said = fresh.filter((message) => !isInstruction(message) && textOf(message) !== '');
  return { ok: true, question: compose(instructions, said, question) };
}

function compose(
  instructions: readonly string[],
  said: readonly Message[],
  question: string,
): string {
  const parts: string[] = [];
  if (instructions.length > 0) parts.push(`Instructions:\n${instructions.join('\n')}`);
  if (said.length > 0) parts.push(`What was said so far:\n${said.map(line).join('\n')}`);
  return parts.length === 0 ? question : [...parts, `The question:\n${question}`].join('\n\n');
}

const SPEAKERS = { user: 'User', assistant: 'Assistant', tool: 'Tool', function: 'Tool' } as const;

function line(message: Message): string {
  return `${SPEAKERS[message.role as keyof typeof SPEAKERS]}: ${textOf(message)}`;
}

function isInstruction({ role }: Message): boolean {
  return role === 'system' || role === 'developer';
}

function hasOtherParts({ content }: Message): boolean {
  return Array.isArray(content) && content.some(({ text }) => text === undefined);
}

function textOf(message: Message | undefined): string {
  const content = message?.content ?? '';
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('\n');
}

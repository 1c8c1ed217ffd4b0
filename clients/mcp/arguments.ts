/**
 * The arguments of the tools. Those of the bridge that warmline can take the place of have its names,
 * its patterns and its limits.
 */
import { z } from 'zod';
import { type Credentials, MAX_MESSAGE_CHARS } from '../../src/bus/index.js';

/** Longest question to the bridge: its lines end at 1 MiB, and a character may take six bytes there. */
const MAX_QUESTION = 160_000;
const MAX_NAME = 256;
const MAX_PATH = 4096;
/** Longest wait for an answer, in milliseconds. */
const MAX_WAIT_MS = 3_600_000;

// Line ends and tabs belong to a text; the rest could move the cursor of whoever reads it.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const ANY_CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** A half of a character passes JSON, and makes programs raise that print it. */
const NOT_UNICODE = 'must be valid Unicode';

/** Text of several lines. */
const text = (most: number) =>
  z
    .string()
    .max(most, `must have at most ${most} characters`)
    .refine((value) => value.trim() !== '', 'must not be blank')
    .refine((value) => !CONTROL.test(value), 'must not have control characters; send plain text')
    .refine((value) => value.isWellFormed(), NOT_UNICODE);

const line = (most: number, least = 1) =>
  z
    .string()
    .min(least, `must have at least ${least} characters`)
    .max(most, `must have at most ${most} characters`)
    .refine((value) => !ANY_CONTROL.test(value), 'must be one line without control characters')
    .refine((value) => value.isWellFormed(), NOT_UNICODE);

const SIDE = z.enum(['a', 'b']);
const CONVERSATION = z
  .string()
  .regex(/^conv_[a-f0-9]{16}$/, 'must be like conv_0123456789abcdef')
  .describe('the conversation');
const TOKEN = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, 'must be 64 hex digits')
  .describe('the token of your side');

export const PARTNER = {
  conversation_id: CONVERSATION,
  session_id: SIDE.describe('your side of the conversation'),
  token: TOKEN,
};

export function credentialsOf(given: {
  readonly conversation_id: string;
  readonly session_id: 'a' | 'b';
  readonly token: string;
}): Credentials {
  return { conversationId: given.conversation_id, side: given.session_id, token: given.token };
}

export const ROLE = line(100, 3);
export const MESSAGE = text(MAX_MESSAGE_CHARS);
export const FILES = z.array(line(MAX_PATH)).max(20, 'must have at most 20 items');
export const ACTION = z.enum(['question', 'info', 'proposal', 'blocked', 'complete', 'response']);
export const STATUS = z.enum(['working', 'waiting', 'blocked', 'complete']);

export const QUESTION = text(MAX_QUESTION).describe('what is asked');
export const BUS_QUESTION = MESSAGE.describe('what is asked');
export const CONTEXT_FILE = line(MAX_PATH)
  .optional()
  .describe('document to answer from, below a context root of the bridge');
export const MODEL = line(MAX_NAME).optional().describe('an engine or model by name');
export const SESSION = line(MAX_NAME)
  .optional()
  .describe('questions with the same value share a context; without it nothing is shared');
export const PRIORITY = z.int().min(-1000).max(1000).optional().describe('higher goes first');
export const DEPENDS_ON = z
  .array(z.union([z.int().positive(), line(MAX_NAME)]))
  .max(1000)
  .optional()
  .describe('questions to be answered first: message ids (numbers) or query ids (texts)');
export const TIMEOUT_MS = z
  .int()
  .min(1)
  .max(MAX_WAIT_MS)
  .default(300_000)
  .describe('longest wait in milliseconds');
export const MESSAGE_ID = z.int().positive().describe('the id of the question');

/** What is wrong with arguments, by their names. Never their values: one may be a token. */
export function faultsOf(error: z.ZodError): string {
  const faults = error.issues.slice(0, 5).map(({ path, message }) => {
    const name = path.map(String).join('.').slice(0, 100);
    return name === '' ? message : `${name}: ${message}`;
  });
  return faults.join('; ');
}

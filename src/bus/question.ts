/**
 * Reads a row of `messages` as a question. Pure, total and hostile-proof: rows come from other
 * programs, and the honest ones send broken JSON too (a redactor that works on serialised text).
 */
import { z } from 'zod';

export type ParsedQuestion =
  | {
      readonly kind: 'question';
      readonly queryId: string | undefined;
      readonly question: string;
      readonly contextFile: string | undefined;
      readonly session: string | undefined;
      readonly model: string | undefined;
      readonly priority: number;
      readonly timeoutMs: number | undefined;
      /** Questions that have to be answered first, by message id or by query id. */
      readonly dependsOn: readonly (number | string)[];
    }
  /** Meant as a question, but not one that can be asked: it gets an error answer. */
  | {
      readonly kind: 'invalid';
      readonly queryId: string | undefined;
      /** Default `bad_request`. `parent_failed`: a question it depends on got no answer. */
      readonly code?: 'parent_failed';
      readonly message: string;
    }
  /** Not a question: marked read and kept in the audit. */
  | { readonly kind: 'ignored' };

const MAX_QUERY_ID = 256;

const Model = z.string().min(1).max(256);

const Priority = z.number().int().min(-1000).max(1000);

const QueryBody = z.object({
  query_id: z.string().max(MAX_QUERY_ID).nullish(),
  question: z.string().refine((text) => text.trim() !== '', 'must not be blank'),
  context_file: z.string().min(1).max(4096).nullish(),
  session: z.string().min(1).max(256).nullish(),
  model: Model.nullish(),
  priority: Priority.nullish(),
  timeout_ms: z.number().int().min(1).max(86_400_000).nullish(),
  depends_on: z
    .custom<(number | string)[]>(isListOfIds, 'must be a list of at most 1,000 ids')
    .nullish(),
});

/** Checked as a whole: a schema of the elements would note a fault for each of a million. */
function isListOfIds(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  const isId = (item: unknown) =>
    typeof item === 'string' ? item.length <= MAX_QUERY_ID : Number.isSafeInteger(item);
  return Array.isArray(value) && value.length <= 1000 && value.every(isId);
}

/**
 * A longer row is not even read: it would not fit a line to the bridge, and parsing it would hold
 * up everybody. It gets an error answer. In bytes.
 */
export const MAX_QUESTION_BYTES = 1024 * 1024;

/** What stands in the place of such a row. */
export const OVERSIZED: ParsedQuestion = {
  kind: 'invalid',
  queryId: undefined,
  message: 'the message is longer than 1 MiB; put long material into a context file',
};

/**
 * @param message the `message` column, whatever type the writer gave it
 * @param metadata the `metadata` column, normally JSON text
 */
export function parseQuestion(message: unknown, metadata: unknown): ParsedQuestion {
  const body = typeof message === 'string' ? parseJson(message) : undefined;
  if (isQuery(body)) return fromQuery(body);
  const isQuestion = actionType(metadata) === 'question';
  if (typeof message !== 'string') {
    return isQuestion ? invalid(undefined, 'the message is not text') : { kind: 'ignored' };
  }
  // A typed body says itself what it is: an answer or a heartbeat is never a question, or two
  // shards would answer each other's answers for ever.
  if (!isQuestion || (isRecord(body) && typeof body.type === 'string')) return { kind: 'ignored' };
  return body === undefined && looksLikeBrokenJson(message)
    ? invalid(salvageQueryId(message), 'the question is not valid JSON; send it again whole')
    : fromText(message);
}

/** What taking a question in needs to know of it. */
export interface Glance {
  readonly priority: number;
  /** The engine or model that it names. */
  readonly model: string | undefined;
}

/** A cheap look at a row before it is parsed. JSON may spell any letter of a key as an escape. */
export function mayNameModel(message: unknown): boolean {
  return typeof message === 'string' && /"model"|\\u00[5-7]/.test(message);
}

const PLAIN_GLANCE: Glance = { priority: 0, model: undefined };

/**
 * Whether a row is told to be plain by its text alone, as most of a backlog are: a query that its
 * metadata calls a question, so that it is one even when its JSON is broken. An escaped letter, or
 * another key of the same name as one that counts, leaves it to the parser.
 */
function isPlainQuery(message: string, metadata: unknown): boolean {
  return (
    (metadata === '{"action_type": "question"}' || metadata === '{"action_type":"question"}') &&
    /^\{"type": ?"query"(?!.*(?:"(?:type|priority|model)"|\\u00))/s.test(message)
  );
}

/** A first look at a row: whether it is a question, and where it belongs among the others. */
export function glanceAt(message: unknown, metadata: unknown): Glance | 'ignored' {
  if (typeof message === 'string' && isPlainQuery(message, metadata)) return PLAIN_GLANCE;
  const body = typeof message === 'string' ? parseJson(message) : undefined;
  if (isQuery(body)) {
    if (body.priority === undefined && body.model === undefined) return PLAIN_GLANCE;
    return {
      priority: Priority.safeParse(body.priority).data ?? 0,
      model: Model.safeParse(body.model).data,
    };
  }
  return parseQuestion(message, metadata).kind === 'ignored' ? 'ignored' : PLAIN_GLANCE;
}

/** The question of a row taken in earlier: still owed an answer if its writer changed it since. */
export function parseTaken(message: unknown, metadata: unknown): ParsedQuestion {
  const parsed = parseQuestion(message, metadata);
  return parsed.kind === 'ignored'
    ? invalid(undefined, 'the message is no longer a question')
    : parsed;
}

const NO_PARENTS: readonly number[] = [];

/** One without any of the rare fields. Written out: a spread with keys of its own costs twenty times as much. */
function plainQuestion(queryId: string | undefined, question: string): ParsedQuestion {
  return {
    kind: 'question',
    queryId,
    question,
    contextFile: undefined,
    session: undefined,
    model: undefined,
    priority: 0,
    timeoutMs: undefined,
    dependsOn: NO_PARENTS,
  };
}

function fromText(message: string): ParsedQuestion {
  if (message.trim() === '') return invalid(undefined, 'the question is blank');
  return plainQuestion(undefined, message);
}

/**
 * The schema by hand for a query that has none of the rare fields: parsing it costs less than the
 * schema does, and a backlog holds hundreds of thousands. Undefined leaves it to the schema.
 */
function fromPlainQuery(body: Record<string, unknown>): ParsedQuestion | undefined {
  const { query_id: queryId, question, context_file: contextFile } = body;
  const isPlain =
    typeof question === 'string' &&
    /\S/.test(question) &&
    (queryId === undefined || (typeof queryId === 'string' && queryId.length <= MAX_QUERY_ID)) &&
    contextFile === undefined &&
    body.session === undefined &&
    body.model === undefined &&
    body.priority === undefined &&
    body.timeout_ms === undefined &&
    body.depends_on === undefined;
  return isPlain ? plainQuestion(queryId, question) : undefined;
}

function fromQuery(body: Record<string, unknown>): ParsedQuestion {
  const plain = fromPlainQuery(body);
  if (plain) return plain;
  const parsed = QueryBody.safeParse(body);
  if (!parsed.success) {
    const queryId =
      typeof body.query_id === 'string' ? body.query_id.slice(0, MAX_QUERY_ID) : undefined;
    return invalid(queryId, describe(parsed.error));
  }
  const query = parsed.data;
  return {
    kind: 'question',
    queryId: query.query_id ?? undefined,
    question: query.question,
    contextFile: query.context_file ?? undefined,
    session: query.session ?? undefined,
    model: query.model ?? undefined,
    priority: query.priority ?? 0,
    timeoutMs: query.timeout_ms ?? undefined,
    dependsOn: [...new Set(query.depends_on)],
  };
}

function describe(error: z.ZodError): string {
  const issue = error.issues[0];
  const field = issue?.path.join('.') || 'message';
  return `field "${field}": ${issue?.message ?? 'not understood'}`;
}

function invalid(queryId: string | undefined, message: string): ParsedQuestion {
  return { kind: 'invalid', queryId, message };
}

function actionType(metadata: unknown): unknown {
  if (typeof metadata !== 'string') return undefined;
  const parsed = parseJson(metadata);
  return isRecord(parsed) ? parsed.action_type : undefined;
}

function looksLikeBrokenJson(text: string): boolean {
  return /^\s*\{\s*"/.test(text);
}

function salvageQueryId(text: string): string | undefined {
  return /"query_id"\s*:\s*"([^"\\]{1,256})"/.exec(text)?.[1];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isQuery(body: unknown): body is Record<string, unknown> {
  return isRecord(body) && body.type === 'query';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The one line of every answered query, written piece by piece: a `JSON.stringify` over all of it
 * costs four times as much and was the largest single cost of a short query.
 */
import type { ResponseReply } from './replies.js';
import type { RequestId } from './requests.js';

/** @param reply its times, in milliseconds, are told to the microsecond */
export function encodeResponse(reply: ResponseReply): string {
  const { id, usage, first_byte_ms: heard, stop_reason: stop, request_id: request } = reply;
  let line = id === undefined ? '{"type":"response","answer":"' : startTo(id);
  line += `${escaped(reply.answer)}${afterAnswer(reply)}${milliseconds(reply.elapsed_ms)}`;
  line += `,"queued_ms":${milliseconds(reply.queued_ms)}`;
  if (heard !== undefined) line += `,"first_byte_ms":${milliseconds(heard)}`;
  if (usage !== undefined) line += `,"usage":${JSON.stringify(usage)}`;
  if (stop !== undefined) line += `,"stop_reason":"${escaped(stop)}"`;
  if (request !== undefined) line += `,"request_id":"${escaped(request)}"`;
  return `${line}}\n`;
}

function startTo(id: RequestId): string {
  if (typeof id === 'number') return `{"type":"response","id":${id},"answer":"`;
  return `{"type":"response","id":"${escaped(id)}","answer":"`;
}

/** Printable ASCII without quote and backslash: JSON writes these as they are. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** A text as it stands between the quotes of JSON. */
function escaped(text: string): string {
  return PLAIN.test(text) ? text : JSON.stringify(text).slice(1, -1);
}

type Names = Pick<ResponseReply, 'model' | 'engine' | 'session'>;

/** What follows an answer without sources, by session: it seldom changes. */
const kept = new Map<string, Names & { readonly text: string }>();
const MAX_KEPT = 256;
const MAX_KEPT_LENGTH = 512;

/** From the quote that ends the answer to the colon before the first time. */
function afterAnswer({ sources, model, engine, session }: ResponseReply): string {
  const known = sources.length === 0 ? kept.get(session) : undefined;
  if (known !== undefined && known.model === model && known.engine === engine) return known.text;
  const whole = JSON.stringify({ answer: '', sources, model, engine, session, elapsed_ms: 0 });
  const text = whole.slice('{"answer":"'.length, -'0}'.length);
  // What an engine calls its model is its own choice: only so much of it is kept.
  if (sources.length === 0 && text.length <= MAX_KEPT_LENGTH) {
    if (kept.size >= MAX_KEPT) kept.clear();
    kept.set(session, { model, engine, session, text });
  }
  return text;
}

const THOUSANDTHS = Array.from({ length: 1000 }, (_, part) => String(part / 1000).slice(1));
const MAX_QUICK_MS = 2 ** 31;

/** Microseconds are the last digit that means anything, and shorter numbers are cheaper lines. */
function milliseconds(ms: number): string {
  if (!(ms >= 0 && ms < MAX_QUICK_MS)) return JSON.stringify(ms);
  const us = Math.round(ms * 1000);
  const whole = Math.floor(us / 1000);
  return `${whole}${THOUSANDTHS[us - whole * 1000]}`;
}

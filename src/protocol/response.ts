/**
 * The one line of every answered query, written piece by piece: a `JSON.stringify` over all of it
 * costs four times as much and was the largest single cost of a short query.
 */
import type { ResponseReply } from './replies.js';
import type { RequestId } from './requests.js';

/** @param reply its times, in milliseconds, are told to the microsecond */
export function encodeResponse(reply: ResponseReply): string {
  const { usage, stop_reason: stop, request_id: request } = reply;
  let line = reply.id === undefined ? '{"type":"response",' : responseTo(reply.id);
  line += `"answer":${quoted(reply.answer)},"sources":${list(reply.sources)}`;
  line += `,${names(reply)}${milliseconds(reply.elapsed_ms)}`;
  line += `,"queued_ms":${milliseconds(reply.queued_ms)}`;
  if (usage !== undefined) line += `,"usage":${JSON.stringify(usage)}`;
  if (stop !== undefined) line += `,"stop_reason":${quoted(stop)}`;
  if (request !== undefined) line += `,"request_id":${quoted(request)}`;
  return `${line}}\n`;
}

function responseTo(id: RequestId): string {
  return `{"type":"response","id":${typeof id === 'number' ? id : quoted(id)},`;
}

/** Printable ASCII without quote and backslash: JSON writes these as they are. */
const PLAIN = /^[ !#-[\]-~]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

function list(texts: readonly string[]): string {
  return texts.length === 0 ? '[]' : JSON.stringify(texts);
}

type Names = Pick<ResponseReply, 'model' | 'engine' | 'session'>;

/** What stands between `sources` and the first time, by session: it seldom changes. */
const written = new Map<string, Names & { readonly text: string }>();
const MAX_WRITTEN = 256;
const MAX_NAME_LENGTH = 64;

function names({ model, engine, session }: Names): string {
  const known = written.get(session);
  if (known !== undefined && known.model === model && known.engine === engine) return known.text;
  const text = JSON.stringify({ model, engine, session, elapsed_ms: 0 }).slice(1, -2);
  // What an engine calls its model is its own choice: only so much of it is kept.
  if (session.length <= MAX_NAME_LENGTH && text.length <= 4 * MAX_NAME_LENGTH) {
    if (written.size >= MAX_WRITTEN) written.clear();
    written.set(session, { model, engine, session, text });
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

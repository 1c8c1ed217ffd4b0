/** An answer as OpenAI streams one: a chunk for each piece of text, then `[DONE]`. */
import type { FastifyReply } from 'fastify';
import type { Bridge, Query, QueryReply } from '../../bridge/index.js';
import { fromFault } from '../errors.js';
import { EventStream } from '../sse.js';
import {
  type CompletionFacts,
  chunk,
  extra,
  finishReason,
  usageChunk,
  usageOf,
} from './completion.js';
import { asJsonObject } from './json-answer.js';

export interface StreamOptions {
  readonly facts: CompletionFacts;
  /** The model that is to answer. */
  readonly model: string;
  /** The answer is sent as one piece: only the whole shows what of it is the object. */
  readonly wantsJson: boolean;
  readonly includeUsage: boolean;
}

/** Asks, and stops the turn when the reader goes away. */
export function streamAnswer(
  bridge: Bridge,
  query: Query,
  reply: FastifyReply,
  { facts, model, wantsJson, includeUsage }: StreamOptions,
): void {
  let isBegun = false;
  const stream = new EventStream(reply, () => ticket.cancel());
  const say = (content: string) => {
    if (!isBegun) stream.send(chunk(facts, model, { role: 'assistant', content: '' }));
    isBegun = true;
    if (content !== '') stream.send(chunk(facts, model, { content }));
  };
  const finish = (answered: QueryReply) => {
    say(wantsJson ? asJsonObject(answered.answer) : '');
    const last = chunk(facts, answered.model, {}, finishReason(answered.stopReason));
    const told = { ...answered, usage: usageOf(answered.usage) };
    stream.send({ ...last, warmline: extra(told) });
    if (includeUsage) stream.send(usageChunk(facts, answered.model, told.usage));
    stream.send('[DONE]');
    stream.end();
  };
  const ticket = bridge.ask(query, {
    delta: (text) => {
      if (!wantsJson) say(text);
    },
    done: (outcome) => {
      if (outcome.ok) {
        finish(outcome.reply);
        return;
      }
      const { status, body, headers } = fromFault(outcome.error);
      if (!stream.begun) {
        stream.fail(status, body, headers);
        return;
      }
      stream.send(body);
      stream.end();
    },
  });
}

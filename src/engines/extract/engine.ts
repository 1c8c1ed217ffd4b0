/**
 * The embedded default engine: answers with the passages of the context file that fit the question
 * best, word for word, and cites their lines. Needs no key, no network and no model. Sessions hold
 * nothing between turns, so any session serves any context and there is nothing to forget.
 */
import { type Clock, systemClock } from '../../clock.js';
import { fault } from '../../errors.js';
import type { Engine, EngineSession, SessionEnd, Turn, TurnEvent, TurnResult } from '../engine.js';
import { compose } from './answer.js';
import { IndexCache } from './cache.js';
import { buildIndex, type DocumentIndex } from './document.js';
import { understand } from './question.js';
import { search } from './search.js';

const NAME = 'extract';
const DEFAULT_CACHE_BYTES = 256 * 1024 * 1024;
/** Files above this size say that they are being indexed, in bytes. */
const WORTH_A_WORD = 256 * 1024;

export interface ExtractOptions {
  /** As it is configured. */
  readonly name?: string | undefined;
  /** Memory for indexes of context files, in bytes; the least recently used ones go first. */
  readonly cacheBytes?: number | undefined;
  readonly clock?: Clock | undefined;
}

export function createExtractEngine(options: ExtractOptions = {}): Engine {
  const cache = new IndexCache(
    options.cacheBytes ?? DEFAULT_CACHE_BYTES,
    options.clock ?? systemClock,
  );
  return {
    name: options.name ?? NAME,
    model: NAME,
    binds: 'nothing',
    open: async ({ signal }) => {
      if (signal.aborted) throw cancelled();
      warmUp();
      return new ExtractSession(cache);
    },
    status: () => ({ auth: 'ok', limit: { state: 'ok' } }),
    close: async () => cache.clear(),
  };
}

class ExtractSession implements EngineSession {
  readonly pids: readonly number[] = [];
  readonly closed: Promise<SessionEnd>;
  readonly #cache: IndexCache;
  /** Stops the build the running turn waits for. */
  #waiting: AbortController | undefined;
  #end: ((end: SessionEnd) => void) | undefined;

  constructor(cache: IndexCache) {
    this.#cache = cache;
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  async turn({ question, context }: Turn, emit: (event: TurnEvent) => void): Promise<TurnResult> {
    if (this.#end === undefined) throw cancelled();
    if (context === undefined) {
      throw fault(
        'context_missing',
        'there is no context file to answer from; name one in "context_file", or start the server with --context FILE',
      );
    }
    let index = this.#cache.get(context);
    if (index === undefined) {
      if (context.sizeBytes > WORTH_A_WORD) {
        emit({ type: 'progress', stage: 'running', message: `indexing ${context.name}` });
      }
      index = await this.#build(context);
    }
    const asked = understand(question, index.language);
    const { parts, sources } = compose(index, asked, search(index, asked), context.name);
    for (const text of parts) emit({ type: 'delta', text });
    return { answer: parts.join(''), sources, model: NAME };
  }

  cancel(): void {
    this.#waiting?.abort(cancelled());
  }

  reset(): void {}

  async close(): Promise<void> {
    this.cancel();
    this.#end?.({ how: 'closed' });
    this.#end = undefined;
  }

  async #build(context: NonNullable<Turn['context']>): Promise<DocumentIndex> {
    const waiting = new AbortController();
    this.#waiting = waiting;
    try {
      return await this.#cache.build(context, waiting.signal);
    } finally {
      this.#waiting = undefined;
    }
  }
}

let isWarm = false;

/** The first use compiles some dozens of patterns, a few milliseconds no question should pay. */
function warmUp(): void {
  if (isWarm) return;
  isWarm = true;
  const text =
    '# Älteste\n\nAda Smith owns `a/b_c` since 2 May 2020, 10:30.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n';
  const build = buildIndex(Buffer.from(text));
  let step = build.next();
  while (step.done !== true) step = build.next();
  const question = understand('Who owns b_c, since when, and why?', 'en');
  compose(step.value, question, search(step.value, question), 'warm.md');
}

function cancelled() {
  return fault('cancelled', 'the question was cancelled');
}

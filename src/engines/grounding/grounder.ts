/**
 * What a model answers from, and where its answer stands. One `Grounding` is a view of one state of
 * a file: what the model is shown and what its citations are checked against are the same bytes.
 */
import { LRUCache } from 'lru-cache';
import { systemClock } from '../../clock.js';
import type { ContextFile } from '../../context/index.js';
import { buildIndex, Slices } from '../extract/index.js';
import { excerptsFor } from './excerpts.js';
import { Lines } from './lines.js';
import { fingerprint, numberedWhole, shownName } from './numbered.js';
import { outlineOf } from './outline.js';
import { WITHOUT_DOCUMENT, withDocument, withOutline, withPassages } from './prompt.js';
import { sourcesOf } from './sources.js';

/** What a model is told to answer from. Stable text for the same file, so a provider can cache it. */
export interface Grounding {
  /**
   * The system prompt: how to answer and cite, and the document with its line numbers, or its
   * headings when it is too large.
   */
  readonly system: string;
  /**
   * The question as it is sent: with the passages that match it when the document is too large for
   * a prompt, else as it is.
   */
  userText(question: string): Promise<string>;
  /**
   * Citations for an answer, `FILE.md:from-to`: those in its text that name this file and hold
   * what it says; when there are none, the lines where the answer's own words stand. `question`
   * helps to find those of a short answer.
   */
  sourcesOf(answer: string, question?: string): Promise<readonly string[]>;
}

interface GroundingOptions {
  /**
   * Largest document that is shown whole, in bytes of UTF-8 with its line numbers; for a larger one
   * the outline and the passages of a question together stay below this.
   */
  readonly maxContextBytes: number;
}

export interface Grounder {
  /** @throws what `context.read` throws */
  ground(context: ContextFile | undefined): Promise<Grounding>;
}

/**
 * 200 KB are 50,000 to 65,000 tokens: room for the answer and the conversation in every model with a
 * window of 128,000, and a prefix that providers take in once and then keep cached.
 */
export const DEFAULT_PROMPT_BYTES = 200 * 1024;

/** Memory for files asked about lately, in bytes; the least recently used ones go first. */
const CACHE_BYTES = 128 * 1024 * 1024;

/** Most that is shown of a document too large to be shown whole, in bytes of UTF-8. */
const MAX_OUTLINE_BYTES = 8 * 1024;
const MAX_EXCERPT_BYTES = 24 * 1024;

/** Does work in slices that all files and answers of a grounder share. */
type Run = <T>(work: Generator<undefined, T>) => Promise<T>;

interface Kept {
  readonly identity: string;
  readonly byteLength: number;
  readonly grounding: Grounding;
}

export function createGrounder(options: GroundingOptions): Grounder {
  const slices = new Slices(systemClock);
  const never = new AbortController().signal;
  const run: Run = (work) => slices.run(work, never);
  const kept = new LRUCache<string, Kept>({
    maxSize: CACHE_BYTES,
    sizeCalculation: ({ byteLength }) => byteLength,
  });
  const builds = new Map<string, Promise<Kept>>();

  async function build(context: ContextFile): Promise<Kept> {
    const bytes = await context.read();
    const made = await run(take(bytes, context, options, run));
    kept.set(context.path, made);
    return made;
  }

  return {
    async ground(context) {
      if (context === undefined) return ungrounded;
      const known = kept.get(context.path);
      if (known?.identity === context.identity) return known.grounding;
      let running = builds.get(context.identity);
      if (running === undefined) {
        running = build(context).finally(() => builds.delete(context.identity));
        builds.set(context.identity, running);
      }
      return (await running).grounding;
    },
  };
}

const ungrounded: Grounding = {
  system: WITHOUT_DOCUMENT,
  userText: async (question) => question,
  sourcesOf: async () => [],
};

/** Reads a document once; yields where the caller may pause. */
function* take(
  bytes: Buffer,
  context: ContextFile,
  { maxContextBytes }: GroundingOptions,
  run: Run,
): Generator<undefined, Kept> {
  const index = yield* buildIndex(bytes);
  const lines = yield* Lines.of(bytes);
  const mark = yield* fingerprint(bytes);
  const whole = yield* numberedWhole(lines, maxContextBytes);
  const name = shownName(context.name);
  const document = { name: context.name, index, lines };
  const check: Grounding['sourcesOf'] = (answer, question = '') =>
    run(sourcesOf(document, answer, question));
  const system =
    whole === undefined
      ? withOutline(name, lines.count, mark, yield* outlineOf(index, outlineBytes(maxContextBytes)))
      : withDocument(name, mark, whole);
  const userText = async (question: string) => {
    if (whole !== undefined) return question;
    const found = excerptsFor(index, question, excerptBytes(maxContextBytes));
    return withPassages(name, mark, found, question);
  };
  return {
    identity: context.identity,
    byteLength: index.byteLength + 2 * system.length,
    grounding: { system, userText, sourcesOf: check },
  };
}

function outlineBytes(maxContextBytes: number): number {
  return Math.min(MAX_OUTLINE_BYTES, Math.floor(maxContextBytes / 4));
}

function excerptBytes(maxContextBytes: number): number {
  return Math.min(MAX_EXCERPT_BYTES, Math.floor(maxContextBytes / 2));
}

/**
 * Finished answers on disk, for as long as the bus cannot be written: a crash in that time then
 * asks no model again.
 *
 * Each answer is a file of its own, written beside its place and moved there: it is whole or not
 * there, several autopolls can share the directory, and what is no longer needed is deleted. Nothing
 * in here is the truth: an answer counts once it is on the bus, and an entry that cannot be read, or
 * not be written, costs another turn of the model and nothing else.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { z } from 'zod';
import type { Answer, Lease } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';

/** By then the asker has long gone: schedule-to-close is an hour. */
const MAX_AGE_MS = 24 * 3_600_000;
const MAX_BYTES = 64 * 1024 * 1024;

/** What makes a question this one: ids are used again after a restore, this moment is not. */
export type Spoolable = Pick<Lease, 'questionId' | 'conversationId' | 'seenAtUs'>;

const text = z.string();
const count = z.number().int().nonnegative();
const Entry = z.object({
  questionId: count,
  conversationId: text,
  seenAtUs: count,
  keptAtMs: count,
  answer: z.object({
    answer: text,
    sources: z.array(text).readonly(),
    shardId: text,
    llmType: text,
    responseTimeSec: z.number(),
    error: z.object({ code: text, message: text, attempts: count, dead: z.boolean() }).optional(),
    turn: z
      .object({
        engine: text.optional(),
        startedAtUs: count.optional(),
        firstByteAtUs: count.optional(),
        inputTokens: count.optional(),
        outputTokens: count.optional(),
      })
      .optional(),
  }),
});
type Entry = z.infer<typeof Entry>;

interface Kept {
  readonly entry: Entry;
  readonly bytes: number;
}

export interface SpoolOptions {
  /** Made when it is missing, for this user only. */
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Of these questions, the unfinished ones with when they were first seen. */
  readonly unfinished: (questionIds: readonly number[]) => ReadonlyMap<number, number>;
  /** Of all entries together; default 64 MiB. */
  readonly maxBytes?: number;
}

export class Spool {
  readonly #options: SpoolOptions;
  readonly #maxBytes: number;
  readonly #kept = new Map<string, Kept>();
  /** One thing at a time, so that an entry is written before it is deleted. */
  readonly #work = new PQueue({ concurrency: 1 });
  #failureTold = false;

  constructor(options: SpoolOptions) {
    this.#options = options;
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** The answer to exactly this question, from an earlier lease. */
  find(question: Spoolable): Answer | undefined {
    if (this.#kept.size === 0) return undefined;
    return this.#kept.get(nameOf(question))?.entry.answer;
  }

  /** Resolves when the answer is on disk, or cannot be: that is in the log then. */
  keep(question: Spoolable, answer: Answer): Promise<void> {
    return this.#do(() => this.#write(question, answer));
  }

  /** The answer is on the bus. */
  drop(question: Spoolable): void {
    void this.#do(() => this.#delete(nameOf(question)));
  }

  /** Takes in what this process or another one left, and deletes what is of no use any more. */
  load(): Promise<void> {
    return this.#do(() => this.#load());
  }

  /** Resolves when everything asked for so far has been done. */
  settled(): Promise<void> {
    return this.#work.onIdle();
  }

  async #do(work: () => Promise<void>): Promise<void> {
    await this.#work.add(async () => {
      try {
        await work();
      } catch (error) {
        this.#tellFailure(error);
      }
    });
  }

  /** Once, until an entry can be written again. */
  #tellFailure(error: unknown): void {
    if (this.#failureTold) return;
    this.#failureTold = true;
    const message = 'the spool cannot be used; answers wait in memory alone';
    this.#options.log.warn({ err: error, dir: this.#options.dir }, message);
  }

  async #write(question: Spoolable, answer: Answer): Promise<void> {
    const { dir, clock } = this.#options;
    const { questionId, conversationId, seenAtUs } = question;
    const keptAtMs = Math.floor(clock.wallUs() / 1000);
    const entry = { questionId, conversationId, seenAtUs, keptAtMs, answer };
    const bytes = Buffer.from(encode(entry));
    const held = [...this.#kept.values()].reduce((sum, kept) => sum + kept.bytes, 0);
    if (held + bytes.length > this.#maxBytes) {
      throw new Error(`it holds ${held} bytes and may hold ${this.#maxBytes}`);
    }
    await makePrivate(dir);
    const name = nameOf(question);
    await writeWhole(dir, name, bytes);
    this.#kept.set(name, { entry, bytes: bytes.length });
    this.#failureTold = false;
  }

  async #delete(name: string): Promise<void> {
    if (!this.#kept.delete(name)) return;
    await rm(join(this.#options.dir, name), { force: true });
  }

  async #load(): Promise<void> {
    const { dir, log, clock, unfinished } = this.#options;
    const names = await namesIn(dir);
    if (names.length === 0) return;
    await makePrivate(dir);
    const nowMs = clock.wallUs() / 1000;
    const read = await Promise.all(names.map((name) => readEntry(dir, name, this.#maxBytes)));
    const seen = unfinished(read.flatMap((kept) => (kept ? [kept.entry.questionId] : [])));
    let dropped = 0;
    for (const [index, name] of names.entries()) {
      const kept = read[index];
      const isUseful =
        kept !== undefined &&
        nameOf(kept.entry) === name &&
        seen.get(kept.entry.questionId) === kept.entry.seenAtUs &&
        nowMs - kept.entry.keptAtMs < MAX_AGE_MS;
      if (isUseful) this.#kept.set(name, kept);
      else {
        dropped += 1;
        this.#kept.delete(name);
        await rm(join(dir, name), { force: true });
      }
    }
    log.info({ found: names.length - dropped, dropped }, 'answers found in the spool');
  }
}

function nameOf({ questionId, conversationId, seenAtUs }: Spoolable): string {
  const key = JSON.stringify([conversationId, questionId, seenAtUs]);
  return `${questionId}-${digest(key).slice(0, 32)}.json`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function encode(entry: Entry): string {
  const body = JSON.stringify(entry);
  return `{"sha256":"${digest(body)}","entry":${body}}\n`;
}

const Line = z.object({ sha256: text, entry: z.unknown() });

/** @returns undefined for anything but an entry as it was written */
function decode(line: string): Entry | undefined {
  try {
    const { sha256, entry } = Line.parse(JSON.parse(line));
    return digest(JSON.stringify(entry)) === sha256 ? Entry.parse(entry) : undefined;
  } catch {
    return undefined;
  }
}

/** @returns undefined for what is no entry, or was taken away by another autopoll meanwhile */
async function readEntry(dir: string, name: string, maxBytes: number): Promise<Kept | undefined> {
  try {
    const path = join(dir, name);
    const { size: bytes } = await stat(path);
    const entry = bytes > maxBytes ? undefined : decode(await readFile(path, 'utf8'));
    return entry && { entry, bytes };
  } catch {
    return undefined;
  }
}

/** Whatever lies there: what was being written when its writer died is dropped as no entry. */
async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** Whoever can write here can put words into our mouth. */
async function makePrivate(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const { mode, uid } = await stat(dir);
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
    throw new Error(`${dir} must belong to this user alone: chmod 700`);
  }
}

async function writeWhole(dir: string, name: string, bytes: Uint8Array): Promise<void> {
  const beside = join(dir, `${name}.${process.pid}`);
  const file = await open(beside, 'w', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  await rename(beside, join(dir, name));
}

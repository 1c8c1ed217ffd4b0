/**
 * Which conversation of `claude` belongs to which sticky key, kept across restarts of the server.
 *
 * The file holds no key and no text: keys are hashed, and the conversations themselves lie where
 * `claude` keeps them. Losing it costs the conversations' past, nothing else, so trouble with it
 * is logged and never fails a question.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Log } from '../../log.js';

/** Keys remembered; the one used longest ago is forgotten first. */
const MAX_KEYS = 1000;
const MAX_FILE_BYTES = 1024 * 1024;
const CONVERSATION = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

export class Conversations {
  readonly #file: string | undefined;
  readonly #log: Log;
  readonly #known: Map<string, string>;
  #writing: Promise<void> = Promise.resolve();
  #waits = false;

  /** @param file where they are kept; undefined keeps them only in memory */
  constructor(file: string | undefined, log: Log) {
    this.#file = file;
    this.#log = log;
    this.#known = file === undefined ? new Map() : this.#read(file);
  }

  /** A conversation has one key and one document: a new one would not fit what was said before. */
  static idOf(key: string, document: string | undefined): string {
    return createHash('sha256')
      .update(JSON.stringify([key, document]))
      .digest('hex')
      .slice(0, 32);
  }

  get(id: string): string | undefined {
    return this.#known.get(id);
  }

  set(id: string, conversation: string): void {
    if (this.#known.get(id) === conversation || !CONVERSATION.test(conversation)) return;
    this.#known.delete(id);
    this.#known.set(id, conversation);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KEYS) break;
      this.#known.delete(oldest);
    }
    this.#save();
  }

  drop(id: string): void {
    if (this.#known.delete(id)) this.#save();
  }

  /** Resolves when what was set is on disk. */
  async close(): Promise<void> {
    await this.#writing;
  }

  #read(file: string): Map<string, string> {
    try {
      const text = readFileSync(file, 'utf8');
      if (text.length > MAX_FILE_BYTES) throw new Error('it is too large to be ours');
      const entries = Object.entries(JSON.parse(text) as Record<string, unknown>);
      const sound = entries.filter(
        (entry): entry is [string, string] =>
          /^[\da-f]{32}$/.test(entry[0]) &&
          typeof entry[1] === 'string' &&
          CONVERSATION.test(entry[1]),
      );
      return new Map(sound.slice(-MAX_KEYS));
    } catch (error) {
      const isNew = (error as NodeJS.ErrnoException).code === 'ENOENT';
      if (!isNew) this.#log.warn({ file, err: error }, 'earlier conversations are not resumed');
      return new Map();
    }
  }

  /** One write at a time, and one more for everything that changed meanwhile. */
  #save(): void {
    const file = this.#file;
    if (file === undefined || this.#waits) return;
    this.#waits = true;
    this.#writing = this.#writing.then(async () => {
      this.#waits = false;
      const draft = `${file}.${process.pid}.tmp`;
      try {
        await mkdir(dirname(file), { recursive: true });
        await writeFile(draft, JSON.stringify(Object.fromEntries(this.#known)), { mode: 0o600 });
        await rename(draft, file);
      } catch (error) {
        await rm(draft, { force: true }).catch(() => {});
        this.#log.warn({ file, err: error }, 'conversations are not kept across a restart');
      }
    });
  }
}

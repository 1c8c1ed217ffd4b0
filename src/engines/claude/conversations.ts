/**
 * Which conversation of `claude` belongs to which sticky key, kept across restarts of the server.
 *
 * One server keeps a file. Another one that is given the same has its conversations in memory only,
 * until the first is gone: both would write over what the other remembers, and could continue one
 * conversation twice.
 *
 * The file holds no key and no text: keys are hashed, and the conversations themselves lie where
 * `claude` keeps them. Losing it costs the conversations' past, nothing else, so trouble with it
 * is logged and never fails a question.
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants, readdirSync, readFileSync, rmSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Log } from '../../log.js';
import { Claim } from './claim.js';

/** Keys remembered; the one used longest ago is forgotten first. */
const MAX_KEYS = 1000;
const MAX_FILE_BYTES = 1024 * 1024;
/** A draft is a new file of ours, whatever else lies there. */
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const CONVERSATION = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

export class Conversations {
  readonly #file: string | undefined;
  readonly #claim: Claim | undefined;
  readonly #log: Log;
  #known = new Map<string, string>();
  #isKeeper = false;
  #isClosed = false;
  /** Trouble that was told of, once. */
  #told: unknown;
  #writing: Promise<void> = Promise.resolve();
  #waits = false;

  /** @param file where they are kept; undefined keeps them only in memory */
  constructor(file: string | undefined, log: Log) {
    this.#file = file;
    this.#claim = file === undefined ? undefined : new Claim(dirname(file));
    this.#log = log;
    this.#keep();
  }

  /** A conversation has one key and one document: a new one would not fit what was said before. */
  static idOf(key: string, document: string | undefined): string {
    return createHash('sha256')
      .update(JSON.stringify([key, document]))
      .digest('hex')
      .slice(0, 32);
  }

  get(id: string): string | undefined {
    this.#keep();
    return this.#known.get(id);
  }

  set(id: string, conversation: string): void {
    if (!CONVERSATION.test(conversation)) return;
    const isKnown = this.#known.get(id) === conversation;
    // Now it is the one used last.
    this.#known.delete(id);
    this.#known.set(id, conversation);
    if (isKnown) return;
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_KEYS) break;
      this.#known.delete(oldest);
    }
    this.#save();
  }

  drop(id: string): void {
    if (this.#known.delete(id)) this.#save();
  }

  /** Resolves when what was set is on disk; another server may keep the file then. */
  async close(): Promise<void> {
    await this.#writing;
    this.#isClosed = true;
    if (this.#isKeeper) this.#claim?.drop();
  }

  /** Asked for each time: the server that kept the file may be gone, or somebody removed our claim. */
  #keep(): boolean {
    const file = this.#file;
    if (file === undefined || this.#claim === undefined || this.#isClosed) return false;
    const wasKeeper = this.#isKeeper;
    this.#isKeeper = this.#take(this.#claim, file);
    if (this.#isKeeper && !wasKeeper) {
      if (this.#told !== undefined) this.#log.info({ file }, 'conversations are remembered now');
      this.#told = undefined;
      removeDrafts(file);
      this.#known = new Map([...this.#read(file), ...this.#known]);
    }
    return this.#isKeeper;
  }

  #take(claim: Claim, file: string): boolean {
    try {
      const claimed = claim.take();
      if (claimed.held) return true;
      const why = 'another server keeps them here; give this one a state_dir or port of its own';
      this.#tell(
        claimed.by,
        { file, keeper: claimed.by },
        `conversations are not remembered: ${why}`,
      );
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      this.#tell(code, { file, err: error }, 'conversations are not kept across a restart');
    }
    return false;
  }

  #tell(what: unknown, fields: object, message: string): void {
    if (this.#told === what) return;
    this.#told = what;
    this.#log.warn(fields, message);
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
      if (!this.#keep()) return;
      const draft = `${file}.${randomUUID()}.tmp`;
      const text = JSON.stringify(Object.fromEntries(this.#known));
      try {
        await writeFile(draft, text, { flag: NEW_FILE, mode: 0o600 });
        await rename(draft, file);
      } catch (error) {
        await rm(draft, { force: true }).catch(() => {});
        this.#log.warn({ file, err: error }, 'conversations are not kept across a restart');
      }
    });
  }
}

/** What a server left that was killed while it wrote. */
function removeDrafts(file: string): void {
  const name = basename(file);
  for (const found of readdirSync(dirname(file))) {
    const isDraft = found.startsWith(`${name}.`) && found.endsWith('.tmp');
    if (isDraft) rmSync(join(dirname(file), found), { recursive: true, force: true });
  }
}

/** The directory that processes run in: empty, and the same for every session of an engine. */
import { lstat, mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, fault } from '../../errors.js';

export class Workplace {
  /** Without symbolic links; `claude` keeps notes of each directory it ever saw. */
  readonly path: string;

  readonly #uid: number;
  readonly #isTemporary: boolean;

  private constructor(path: string, uid: number, isTemporary: boolean) {
    this.path = path;
    this.#uid = uid;
    this.#isTemporary = isTemporary;
  }

  /**
   * @param home where it is to be at the same path after a restart, as a conversation is resumed only
   *   where it began; undefined for a temporary one
   * @throws ConfigError when it cannot be made, or emptied
   */
  static async make(home: string | undefined): Promise<Workplace> {
    try {
      const directory =
        home === undefined ? await mkdtemp(join(tmpdir(), 'warmline-claude-')) : await empty(home);
      const path = await realpath(directory);
      return new Workplace(path, (await lstat(path)).uid, home === undefined);
    } catch (cause) {
      const where = home ?? tmpdir();
      const why = (cause as Error).message;
      throw new ConfigError(`claude cannot work in ${where}: ${why}; set another state_dir`, {
        cause,
      });
    }
  }

  /**
   * Makes it again when somebody removed it, a cleaner of temporary files for instance.
   * @throws WarmlineError `engine_unavailable` when that fails, or when another user was faster
   */
  async ready(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      const { uid } = await lstat(this.path);
      if (uid === this.#uid) return;
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw fault('engine_unavailable', `claude has no directory to work in (${code})`, { cause });
    }
    throw fault('engine_unavailable', 'the directory claude works in was replaced by another user');
  }

  /** One that another server may work in as well stays. */
  async leave(): Promise<void> {
    if (this.#isTemporary) await rm(this.path, { recursive: true, force: true });
  }
}

/** The directory itself is kept while it is one: processes of another server may be in it. */
async function empty(home: string): Promise<string> {
  const directory = join(home, 'empty');
  const found = await lstat(directory).catch(() => undefined);
  if (found?.isDirectory() === false) await rm(directory);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const removed = (await readdir(directory)).map((name) =>
    rm(join(directory, name), { recursive: true, force: true }),
  );
  await Promise.all(removed);
  return directory;
}

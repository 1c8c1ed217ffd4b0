/** Where the daemon of a bus keeps what is its own. */
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, realpathSync, type Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Environment, stateHome } from '../../src/config/index.js';
import { ConfigError } from '../../src/errors.js';

export interface Place {
  /** The bus file, with symbolic links resolved. */
  readonly bus: string;
  readonly dir: string;
  /** Locked while a daemon runs, by the kernel: no way to die leaves it locked. */
  readonly lock: string;
  /** Which process that is. */
  readonly state: string;
  readonly log: string;
}

/**
 * The same for every way to write the path of a bus, and for a file that a restore puts in its
 * place. Not beside the bus, which is in a directory of other programs.
 * @throws ConfigError when this user has no place for state
 */
export function placeOf(db: string, environment: Environment): Place {
  const home = stateHome(environment);
  if (home === undefined) {
    throw new ConfigError(
      'there is no place for the log and the state of a daemon: set HOME or XDG_STATE_HOME',
    );
  }
  const bus = realPathOf(db);
  const digest = createHash('sha256').update(bus).digest('hex').slice(0, 16);
  // For people who look into the directory; the digest tells buses of one name apart.
  const name = basename(bus)
    .replace(/[^\w.-]/g, '_')
    .slice(0, 64);
  const dir = join(home, 'warmline', 'poll', `${name}-${digest}`);
  return {
    bus,
    dir,
    lock: join(dir, 'lock'),
    state: join(dir, 'daemon.json'),
    log: join(dir, 'daemon.log'),
  };
}

/**
 * Makes the directory, for this user only.
 * @throws ConfigError when it cannot be made, or is not only ours
 */
export function makePlace(place: Place): void {
  const { dir } = place;
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw unusable(dir, cause);
  }
  requireOwn(place);
}

/**
 * What is noted in a place gets signals, and what is linked there is written to.
 * @throws ConfigError when another user could put something into it
 */
export function requireOwn({ dir }: Place): void {
  let stats: Stats | undefined;
  try {
    stats = lstatSync(dir, { throwIfNoEntry: false });
  } catch (cause) {
    throw unusable(dir, cause);
  }
  if (stats === undefined || (stats.isDirectory() && isOwn(stats))) return;
  throw unusable(dir, { code: 'another user can change it' });
}

const OTHERS_WRITE = 0o022;

/** Whether it belongs to this user, and nobody else can write to it. */
export function isOwn({ uid, mode }: Stats): boolean {
  return uid === (process.geteuid?.() ?? uid) && (mode & OTHERS_WRITE) === 0;
}

/** What in a place cannot be used, as the error that a person can do something about. */
export function unusable(path: string, cause: unknown): ConfigError {
  return new ConfigError(
    `${path} cannot be used (${(cause as NodeJS.ErrnoException).code ?? String(cause)}); a daemon keeps its log and state there: make it writable for this user only, or set XDG_STATE_HOME to another directory`,
    { cause },
  );
}

/** A bus that is away for a moment is still the same. */
function realPathOf(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    try {
      return join(realpathSync(dirname(file)), basename(file));
    } catch {
      return resolve(file);
    }
  }
}

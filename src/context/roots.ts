/**
 * Context files come from allowed directories only. Always true, whatever a client sends and
 * whatever is swapped on disk meanwhile:
 *  - bytes are read only from a regular file whose real path lies below a root, without a dot file
 *    or dot directory on the way, and at most `maxBytes` of them;
 *  - nothing is opened in a way that can block or have an effect (FIFO, device);
 *  - a refusal is the same whether or not something exists outside the roots.
 */

import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ConfigError, fault, type WarmlineError } from '../errors.js';
import type { ContextFile, ContextRoots } from './context.js';
import {
  type Candidate,
  citedName,
  isInside,
  lookup,
  type Refusal,
  type Root,
  shown,
} from './names.js';
import { sharedByKey } from './shared.js';

export const DEFAULT_MAX_CONTEXT_BYTES = 16 * 1024 * 1024;

/** Looked for, in this order, when neither the question nor the operator names a context. */
const USUAL_DEFAULTS = ['SESSION-RESUME.md', 'README.md'];

export interface ContextRootsOptions {
  /** Absolute directories; a relative name is looked for in each, in this order. */
  readonly roots: readonly string[];
  /** The file for questions that name none; must then exist. Default: the usual names. */
  readonly defaultContext?: string | undefined;
  /** Largest context file, in bytes. */
  readonly maxBytes: number;
}

/** @throws ConfigError when a root is missing, is not a directory or cannot be read */
export async function createContextRoots(options: ContextRootsOptions): Promise<ContextRoots> {
  const { defaultContext, maxBytes } = options;
  const roots = await Promise.all(options.roots.map(openRoot));
  const find = sharedByKey((name: string) => findFile(name, roots, maxBytes));

  async function findDefault(): Promise<ContextFile | undefined> {
    if (defaultContext !== undefined) return find(defaultContext);
    for (const name of USUAL_DEFAULTS) {
      try {
        return await find(name);
      } catch {
        // A README that may not be served is no reason to fail a question that did not ask for it.
      }
    }
    return undefined;
  }

  return { resolve: (requested) => (requested === undefined ? findDefault() : find(requested)) };
}

async function openRoot(directory: string): Promise<Root> {
  const given = resolve(directory);
  try {
    const real = await realpath(given);
    if ((await lstat(real)).isDirectory()) return { given, real };
  } catch (cause) {
    throw new ConfigError(
      `context root ${directory} cannot be opened; create it or name another with --context-root`,
      { cause },
    );
  }
  throw new ConfigError(
    `context root ${directory} is not a directory; name the directory around it`,
  );
}

async function findFile(
  requested: string,
  roots: readonly Root[],
  maxBytes: number,
): Promise<ContextFile> {
  const found = lookup(requested, roots);
  if (!found.ok) throw refused(requested, found.why);
  for (const candidate of found.candidates) {
    const file = await checkCandidate(candidate, requested, maxBytes);
    if (file !== undefined) return file;
  }
  throw missing(requested);
}

/** The file at one candidate place, or undefined when this root has nothing of that name. */
async function checkCandidate(
  { root, path }: Candidate,
  requested: string,
  maxBytes: number,
): Promise<ContextFile | undefined> {
  let real: string;
  let stats: BigIntStats;
  try {
    real = await realpath(path);
    stats = await lstat(real, { bigint: true });
  } catch (error) {
    if (!isAbsence(error)) throw refused(requested, 'unreadable', error);
    if (await leadsOut(path, root)) throw refused(requested, 'outside');
    return undefined;
  }
  if (!isInside(real, root)) throw refused(requested, 'outside');
  const name = citedName(real, root);
  if (name === undefined) throw refused(requested, 'hidden');
  checkStats(stats, requested, maxBytes);
  return {
    name,
    path: real,
    identity: `${stats.dev}:${stats.ino}:${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`,
    sizeBytes: Number(stats.size),
    read: () => readChecked(real, requested, maxBytes),
  };
}

/**
 * Whether a link on the way to an absent file points outside, or nowhere. Such a name is refused
 * like any other outside one: "missing" would tell what exists behind the link.
 */
async function leadsOut(path: string, root: Root): Promise<boolean> {
  for (let place = path; place !== root.real; place = dirname(place)) {
    try {
      return !isInside(await realpath(place), root);
    } catch {
      const stats = await lstat(place).catch(() => undefined);
      if (stats?.isSymbolicLink() === true) return true;
    }
  }
  return false;
}

/** An editor saves by renaming a new file over the old one; so often in a row it does not. */
const MAX_OPENINGS = 30;

async function readChecked(path: string, requested: string, maxBytes: number): Promise<Buffer> {
  for (let opening = 1; ; opening += 1) {
    const handle = await openToRead(path, requested);
    try {
      const stats = await handle.stat({ bigint: true });
      const isAt = await pathOf(handle, path);
      if (isAt === path || isAt === `${path} (deleted)`) {
        checkStats(stats, requested, maxBytes);
        return await readAll(handle, Number(stats.size));
      }
      // What was opened may have got another name already: then the path leads to its successor.
      if (opening === MAX_OPENINGS) throw refused(requested, 'outside');
    } finally {
      await handle.close();
    }
  }
}

async function openToRead(path: string, requested: string): Promise<FileHandle> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  try {
    return await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    throw isAbsence(error) ? missing(requested) : refused(requested, 'unreadable', error);
  }
}

/**
 * Where an open file really is, or was when it was replaced: Linux tells that by a word behind the
 * path (proc_pid_fd(5)). A directory of its path may have become a link since the check.
 */
async function pathOf(handle: FileHandle, path: string): Promise<string | undefined> {
  try {
    return await readlink(`/proc/self/fd/${handle.fd}`);
  } catch {
    return realpath(path).catch(() => undefined);
  }
}

async function readAll(handle: FileHandle, sizeBytes: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(sizeBytes);
  let filled = 0;
  while (filled < sizeBytes) {
    const { bytesRead } = await handle.read(bytes, filled, sizeBytes - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

function checkStats(stats: BigIntStats, requested: string, maxBytes: number): void {
  if (!stats.isFile()) throw refused(requested, 'irregular');
  if (stats.size > BigInt(maxBytes)) {
    throw fault(
      'context_too_large',
      `${shown(requested)} has ${stats.size} bytes, the limit is ${maxBytes}; split it, or start the server with a higher context size limit`,
    );
  }
}

/** Errors that mean "nothing of that name here"; all others are a place we may not look at. */
function isAbsence(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOENT' || code === 'ENOTDIR';
}

const REFUSALS: Record<Refusal | 'irregular' | 'unreadable', string> = {
  outside:
    'is outside the allowed directories; start the server with --context-root DIR to allow it',
  hidden: 'is, or lies in, a dot file or dot directory; copy it to a name without a leading dot',
  malformed: 'is not a usable file name; name a file below a context root, such as notes/RESUME.md',
  irregular: 'is not a regular file; name a text file',
  unreadable: 'cannot be opened by the server; check its permissions and links',
};

function refused(requested: string, why: keyof typeof REFUSALS, cause?: unknown): WarmlineError {
  return fault('context_denied', `${shown(requested)} ${REFUSALS[why]}`, { cause });
}

function missing(requested: string): WarmlineError {
  return fault(
    'context_missing',
    `no file ${shown(requested)} in the allowed directories; check the name, or start the server with --context-root DIR where it is`,
  );
}

/**
 * What a requested name may look like, decided without touching the file system: a name that could
 * only lead outside is refused before anything is looked up, so the refusal cannot tell whether
 * something exists there.
 */
import { isAbsolute, relative, resolve, sep } from 'node:path';

/** Longest name that is looked up, in UTF-8 bytes; longer ones cannot be opened on Linux anyway. */
const MAX_NAME_BYTES = 4096;
const MAX_PART_BYTES = 255;
/** Each level of an absent name is looked at. */
const MAX_PARTS = 128;

export interface Root {
  /** The directory as the operator named it, made absolute. */
  readonly given: string;
  /** The same directory with links resolved. */
  readonly real: string;
}

export type Refusal = 'malformed' | 'outside' | 'hidden';

export type Lookup =
  | { readonly ok: true; readonly candidates: readonly Candidate[] }
  | { readonly ok: false; readonly why: Refusal };

/** A place below one root that a requested name may mean. */
export interface Candidate {
  readonly root: Root;
  readonly path: string;
}

/** Places to look for `requested`, one for each root it could lie in, in the order of the roots. */
export function lookup(requested: string, roots: readonly Root[]): Lookup {
  if (isMalformed(requested)) return { ok: false, why: 'malformed' };
  const candidates: Candidate[] = [];
  let hidden = false;
  for (const root of roots) {
    const below = belowRoot(requested, root);
    if (below === undefined) continue;
    if (hasHiddenPart(below)) hidden = true;
    else candidates.push({ root, path: resolve(root.real, below) });
  }
  if (candidates.length > 0) return { ok: true, candidates };
  return { ok: false, why: hidden ? 'hidden' : 'outside' };
}

/** Whether `path`, links resolved, is the root itself or lies below it. */
export function isInside(path: string, root: Root): boolean {
  return contains(root.real, path);
}

/** The name citations use, or undefined when a part of the real path is a dot file or directory. */
export function citedName(path: string, root: Root): string | undefined {
  const below = relative(root.real, path);
  return hasHiddenPart(below) ? undefined : below.split(sep).join('/');
}

/** A requested name as it may be repeated in a message: short and on one line. */
export function shown(requested: string): string {
  const clean = requested.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '?');
  return clean.length > 120 ? `${[...clean].slice(0, 117).join('')}…` : clean;
}

function isMalformed(name: string): boolean {
  if (name === '' || /[\p{Cc}\p{Cs}]/u.test(name)) return true;
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) return true;
  const parts = name.split(sep);
  return parts.length > MAX_PARTS || parts.some((part) => Buffer.byteLength(part) > MAX_PART_BYTES);
}

function belowRoot(requested: string, root: Root): string | undefined {
  if (!isAbsolute(requested)) {
    const path = resolve(root.real, requested);
    return contains(root.real, path) ? relative(root.real, path) : undefined;
  }
  const path = resolve(requested);
  for (const base of [root.given, root.real]) {
    if (contains(base, path)) return relative(base, path);
  }
  return undefined;
}

function contains(base: string, path: string): boolean {
  return path === base || path.startsWith(base.endsWith(sep) ? base : base + sep);
}

function hasHiddenPart(below: string): boolean {
  return below.split(sep).some((part) => part.startsWith('.'));
}

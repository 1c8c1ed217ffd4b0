/**
 * The log of a daemon: standard error of its process, so that nothing it says is lost, in a file of
 * bounded size. Whatever grows beyond that is copied to `daemon.log.1`, which replaces the one there
 * was, and the log begins anew; a rename would leave the process writing to the old file.
 */
import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  openSync,
  statSync,
} from 'node:fs';
import { type Place, unusable } from './place.js';

/** Both files together hold about twice as much, in bytes. */
const MAX_BYTES = 8 * 1024 * 1024;
const LOOK_EVERY_MS = 10_000;
const STDERR = 2;

/**
 * Opens the log to append to it, readable by its owner only.
 * @returns the descriptor
 * @throws ConfigError when it cannot be written
 */
export function openLog({ log }: Place): number {
  const { O_APPEND, O_CREAT, O_WRONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  let descriptor: number;
  try {
    // Without waiting: a pipe of that name would hold the start for ever.
    const flags = O_APPEND | O_CREAT | O_WRONLY | O_NONBLOCK | O_NOFOLLOW;
    descriptor = openSync(log, flags, 0o600);
  } catch (cause) {
    throw unusable(log, cause);
  }
  if (fstatSync(descriptor).isFile()) {
    fchmodSync(descriptor, 0o600);
    return descriptor;
  }
  closeSync(descriptor);
  throw unusable(log, { code: 'not a file' });
}

/**
 * Keeps the log of this process small, when standard error leads there.
 * @returns what ends that
 */
export function boundLog({ log }: Place): () => void {
  if (!leadsTo(log, STDERR)) return () => undefined;
  const trim = () => trimLog(log, STDERR, MAX_BYTES);
  trim();
  const timer = setInterval(trim, LOOK_EVERY_MS).unref();
  return () => clearInterval(timer);
}

/**
 * Begins a log anew that has grown beyond its size. A line that is written in this moment may be lost.
 * @param descriptor the log as this process has it open
 */
export function trimLog(log: string, descriptor: number, maxBytes: number): void {
  try {
    if (fstatSync(descriptor).size <= maxBytes) return;
    // Somebody may have put the file away; what is open grows all the same.
    if (leadsTo(log, descriptor)) copyFileSync(log, `${log}.1`);
    ftruncateSync(descriptor, 0);
  } catch {
    // A log that cannot be looked after is no reason to stop the work.
  }
}

function leadsTo(file: string, descriptor: number): boolean {
  const open = fstatSync(descriptor);
  const there = statSync(file, { throwIfNoEntry: false });
  return there?.ino === open.ino && there.dev === open.dev;
}

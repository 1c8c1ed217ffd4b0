import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { type BusInspection, findDamage, inspectBus } from '../../../src/bus/index.js';
import type { Settings } from '../../../src/config/index.js';
import { type Finding, fail, ok, warn } from './finding.js';

const BIG_WAL_BYTES = 64 * 1024 * 1024;
/** A question older than this is not just about to be answered, in milliseconds. */
const OLD_MS = 60_000;

const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/** Reads the bus and changes nothing in it. */
export function checkBus({ bus }: Settings): Finding[] {
  const { db: file, session } = bus;
  if (file === undefined) {
    return [warn('bus', 'no bus is named, so none was looked at', 'give --db FILE')];
  }
  try {
    const found = inspectBus(file, session);
    const damage = findDamage(file);
    if (damage !== undefined) {
      const fix = 'stop all programs that use it and restore a backup';
      return [fail('bus', `${file} is damaged: ${damage}`, fix)];
    }
    return [ok('bus', `${file}: ${counts(found)}`), ...worries(file, found)];
  } catch (error) {
    const fix = 'make an empty one with: warmline up --create, or name another with --db';
    return [fail('bus', (error as Error).message, fix)];
  }
}

function counts({ pending, leased, expired, complete, failed, dead }: BusInspection): string {
  return `${pending} pending, ${leased} running, ${expired} expired, ${complete} answered, ${failed + dead} failed`;
}

function worries(file: string, found: BusInspection): Finding[] {
  const findings: Finding[] = [];
  if (found.pending > 0 && found.oldestPendingMs > OLD_MS) {
    const age = Math.round(found.oldestPendingMs / 1000);
    findings.push(
      warn(
        'backlog',
        `the oldest question waits for ${age} s`,
        `run: warmline autopoll --db ${file}`,
      ),
    );
  }
  if (found.expired > 0) {
    findings.push(
      warn(
        'expired',
        `${found.expired} unread messages are in conversations whose time is up`,
        'nobody can read an answer there; to answer them all the same: --include-expired',
      ),
    );
  }
  if (found.walBytes > BIG_WAL_BYTES) {
    const size = Math.round(found.walBytes / 1024 / 1024);
    findings.push(
      warn(
        'wal',
        `${file}-wal has ${size} MiB: a program holds a read transaction open`,
        'find it with: fuser FILE, and let it end its transaction',
      ),
    );
  }
  const directory = dirname(file);
  const { mode } = statSync(directory);
  if ((mode & OTHERS_WRITE) !== 0) {
    const how =
      (mode & STICKY) === 0 ? 'anybody can replace the bus' : 'anybody can put files beside it';
    findings.push(
      warn(
        'directory',
        `${directory} is writable for all: ${how}`,
        'move the bus to a directory of yours',
      ),
    );
  }
  return findings;
}

import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import {
  BusError,
  type BusErrorCode,
  type BusInspection,
  findDamage,
  inspectBus,
  type Worker,
} from '../../../src/bus/index.js';
import type { Settings } from '../../../src/config/index.js';
import type { Report } from '../../socket/index.js';
import { deniedPath } from '../bus-file.js';
import { countsText } from '../bus-summary.js';
import { duration, shellWord } from '../output.js';
import { objectsIn } from '../report.js';
import { workerReport } from '../worker-report.js';
import { where } from './bridge.js';
import { type Finding, fail, ok, warn } from './finding.js';

const RESTORE = 'stop all programs that use it, then restore a backup';
const BIG_WAL_BYTES = 64 * 1024 * 1024;
/** A question older than this is not just about to be answered, in milliseconds. */
const OLD_MS = 60_000;

/** An autopoll notes how it is every half minute, in milliseconds. */
const SILENT_MS = 120_000;

const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

const COUNTS = ['pending', 'leased', 'expired', 'complete', 'failed', 'dead'] as const;

/**
 * Reads the bus and changes nothing in it.
 * @param health what a bridge says that runs; undefined when none does
 */
export function checkBus({ bus, address }: Settings, health: Report | undefined): Finding[] {
  const { db: file, session } = bus;
  if (file === undefined) {
    return [
      warn(
        'bus',
        'no bus is named, so none was looked at',
        'give --db FILE, or go to the directory of warmline.toml',
      ),
    ];
  }
  try {
    const found = inspectBus(file, session);
    const damage = findDamage(file);
    if (damage !== undefined) {
      return [fail('bus', `${file} is damaged: ${damage}`, RESTORE)];
    }
    const denied = deniedPath(file);
    if (denied !== undefined) return [notWritable(denied)];
    return [
      ok('bus', `${file}: ${countsText(found, COUNTS)}`),
      ...(health === undefined ? waitsForBridge(file, found, where(address)) : []),
      ...worries(file, found),
    ];
  } catch (error) {
    return [explain(file, error)];
  }
}

/** What to do about a bus that cannot be read, where the message does not say it. */
const FIXES: Partial<Record<BusErrorCode, string>> = {
  bus_corrupt: RESTORE,
  bus_read_only: 'make the file and its directory readable and writable for this user',
  bus_schema: 'check --db: this is not a bus, or one of another version',
  bus_busy: 'wait until the other program is done, and look again',
  bus_io: 'check the disk and the permissions on the way to the file',
};

/** @throws what is given when it is no fault of the bus */
function explain(file: string, error: unknown): Finding {
  if (!(error instanceof BusError)) throw error;
  if (error.code === 'bus_missing') {
    const fix = `name another with --db, or make an empty one with: warmline up --db ${shellWord(file)} --create`;
    return fail('bus', `there is no bus at ${file}`, fix);
  }
  const denied = deniedPath(file);
  if (denied !== undefined) return notWritable(denied);
  const isDatabase = (error.cause as { code?: unknown } | undefined)?.code !== 'SQLITE_NOTADB';
  const fix = FIXES[isDatabase ? error.code : 'bus_schema'];
  return fail('bus', error.message, fix ?? 'see the message');
}

function notWritable(path: string): Finding {
  return fail(
    'bus',
    `${path} is not readable and writable for this user, so nothing can be answered`,
    `if it is yours: chmod u+rwX ${path}; otherwise let its owner do so, or: sudo chown $(id -u) ${path}`,
  );
}

/**
 * An autopoll that is silent, or that says itself what is wrong. What one left that ended is done by
 * another that works on the bus.
 */
function worry(worker: Worker, pending: number, hasWorker: boolean): Finding[] {
  const {
    pid,
    gone,
    seen_ago_ms: silentMs,
    warnings,
  } = { warnings: [], pid: 0, ...workerReport(worker) };
  if (gone && pending > 0 && !hasWorker) {
    const what = `autopoll ${pid} ended without a word ${duration(silentMs)} ago`;
    return [warn('autopoll', what, 'start it again: what it was at goes on by itself')];
  }
  if (!gone && silentMs > SILENT_MS) {
    const what = `autopoll ${pid} runs, and has said nothing for ${duration(silentMs)}`;
    return [warn('autopoll', what, `see its log; if it hangs: kill -9 ${pid}, and start it again`)];
  }
  return objectsIn(warnings).map(({ message, kind }) =>
    warn('warning', String(message), `see ${kind} in docs/operations.md`),
  );
}

function isWorkedOn({ workers }: BusInspection): boolean {
  return workers.some(({ gone }) => !gone);
}

/** Before anything has been started, it is no fault that nothing runs. */
function waitsForBridge(file: string, found: BusInspection, address: string): Finding[] {
  if (found.pending === 0) return [];
  const count = found.pending === 1 ? '1 question waits' : `${found.pending} questions wait`;
  const what = `no bridge answers at ${address}, and ${count}`;
  return isWorkedOn(found)
    ? [
        fail(
          'bridge',
          what,
          'run: warmline serve; or name the one that runs, with --host and --port',
        ),
      ]
    : [warn('bridge', what, `run: warmline up --db ${shellWord(file)}`)];
}

function worries(file: string, found: BusInspection): Finding[] {
  const findings: Finding[] = [];
  const hasWorker = isWorkedOn(found);
  if (found.pending > 0 && found.oldestPendingMs > OLD_MS) {
    findings.push(
      warn(
        'backlog',
        `the oldest question waits for ${duration(found.oldestPendingMs)}`,
        hasWorker
          ? `see for what: warmline poll list --status pending --db ${shellWord(file)}`
          : `run: warmline autopoll --db ${shellWord(file)}`,
      ),
    );
  }
  findings.push(...found.workers.flatMap((worker) => worry(worker, found.pending, hasWorker)));
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

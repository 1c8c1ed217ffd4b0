/** The programs warmline runs on, and the ones that share a bus with it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { hasWalResetFix, sqliteVersion } from '../../../src/bus/index.js';
import { type Finding, fail, ok, warn } from './finding.js';

const OLDEST_NODE = [20, 19] as const;
const PYTHON_MS = 5_000;

export async function checkRuntime(): Promise<Finding[]> {
  return [checkNode(process.versions.node), checkSqlite(), ...(await checkPython())];
}

export function checkNode(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [needMajor, needMinor] = OLDEST_NODE;
  const old = major < needMajor || (major === needMajor && minor < needMinor);
  return old
    ? fail('node', `version ${version}`, `install Node ${needMajor}.${needMinor} or newer`)
    : ok('node', `version ${version}`);
}

function checkSqlite(): Finding {
  try {
    const version = sqliteVersion();
    return hasWalResetFix(version)
      ? ok('sqlite', `version ${version}`)
      : fail('sqlite', `version ${version} can lose rows`, 'reinstall: npm ci');
  } catch (error) {
    return fail('sqlite', `better-sqlite3 does not load: ${message(error)}`, 'reinstall: npm ci');
  }
}

/** Python programs are the usual partners on a bus, and often bring an older SQLite. */
async function checkPython(): Promise<Finding[]> {
  const version = await pythonSqliteVersion();
  if (version === undefined) return [];
  return [
    hasWalResetFix(version)
      ? ok('python3', `SQLite ${version}`)
      : warn(
          'python3',
          `SQLite ${version} has the WAL-reset bug: in rare cases rows committed by two programs at once are lost`,
          'use a Python with SQLite 3.51.3 or newer for programs that write to the bus, and keep backups',
        ),
  ];
}

async function pythonSqliteVersion(): Promise<string | undefined> {
  try {
    const words = ['-c', 'import sqlite3; print(sqlite3.sqlite_version)'];
    const { stdout } = await promisify(execFile)('python3', words, { timeout: PYTHON_MS });
    return stdout.trim();
  } catch {
    return undefined; // no python3 here, or one without sqlite3: no partner on a bus
  }
}

function message(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
}

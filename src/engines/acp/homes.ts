/** The directories agents run in: one for each process, empty but for what its preset needs. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startTicksOf } from '../../processes/index.js';

const PREFIX = 'warmline-acp-';
/** With the number of a process and when it started: numbers are given again. */
const NAME = /^warmline-acp-(\d+)-(\d+)-\w+$/;

/** @returns a new directory, readable by us alone, that says whose it is */
export function makeHome(parent: string): Promise<string> {
  return mkdtemp(join(parent, `${PREFIX}${process.pid}-${startOf(process.pid)}-`));
}

/** Removes the directories of servers that were killed before they could. */
export async function removeDeserted(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  const deserted = names.filter((name) => {
    const [, owner, start] = NAME.exec(name) ?? [];
    return owner !== undefined && !isRunning(Number(owner), Number(start));
  });
  await Promise.all(deserted.map((name) => removeHome(join(parent, name))));
}

/** Never fails: what cannot be removed is another user's, or is written into at this moment. */
export async function removeHome(home: string): Promise<void> {
  await rm(home, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
}

function isRunning(pid: number, start: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return startOf(pid) === start;
}

/** 0 where the system does not tell: every process that runs may then be the owner. */
function startOf(pid: number): number {
  return startTicksOf(pid) ?? 0;
}

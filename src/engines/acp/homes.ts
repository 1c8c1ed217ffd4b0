/** The directories agents run in: one for each process, empty but for what its preset needs. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const PREFIX = 'warmline-acp-';
const NAME = /^warmline-acp-(\d+)-\w+$/;

/** @returns a new directory, readable by us alone, that says whose it is */
export function makeHome(parent: string): Promise<string> {
  return mkdtemp(join(parent, `${PREFIX}${process.pid}-`));
}

/** Removes the directories of servers that were killed before they could. */
export async function removeDeserted(parent: string): Promise<void> {
  const names = await readdir(parent).catch(() => []);
  const deserted = names.filter((name) => {
    const owner = NAME.exec(name)?.[1];
    return owner !== undefined && !isRunning(Number(owner));
  });
  await Promise.all(deserted.map((name) => removeHome(join(parent, name))));
}

/** Never fails: what cannot be removed is another user's, or is written into at this moment. */
export async function removeHome(home: string): Promise<void> {
  await rm(home, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

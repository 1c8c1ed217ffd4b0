/** Starts a daemon: a process in a session of its own, which goes on when its starter is gone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openLog } from './log-file.js';
import { makePlace, type Place } from './place.js';

interface LaunchOptions {
  readonly place: Place;
  /** The words that run it, after the node program. */
  readonly words: readonly string[];
  /** How long it may take to be ready, in milliseconds. */
  readonly readyMs: number;
  /** Aborted when it is not wanted any more before it is ready. */
  readonly signal: AbortSignal;
}

export type Launched =
  | { readonly did: 'start'; readonly pid: number }
  /** It has ended. `why`: what it said itself, if it did. */
  | { readonly did: 'fail'; readonly exitCode: number; readonly why: string };

const FAILED = 1;

/**
 * Resolves when the daemon says that it is ready, or when it has ended without that.
 *
 * It says so in a line of JSON on its standard output, which nobody reads afterwards:
 * `{"event":"ready"}`, or `{"event":"failed","message"}` before it ends. Its standard error is the log.
 * @throws ConfigError when the log cannot be written
 */
export async function launch({ place, words, readyMs, signal }: LaunchOptions): Promise<Launched> {
  makePlace(place);
  const log = openLog(place);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, words, { detached: true, stdio: ['ignore', 'pipe', log] });
  } finally {
    closeSync(log);
  }
  const pid = child.pid;
  if (pid === undefined) {
    const [error] = (await once(child, 'error')) as [Error];
    return { did: 'fail', exitCode: FAILED, why: error.message };
  }
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const deadline = AbortSignal.timeout(readyMs);
  const said = await firstWord(child, AbortSignal.any([deadline, signal]));
  if (said?.event === 'ready') {
    child.stdout?.destroy();
    child.unref();
    return { did: 'start', pid };
  }
  if (said === undefined) endGroup(pid);
  const [code, killed] = await exited;
  return {
    did: 'fail',
    exitCode: code === null || code === 0 ? FAILED : code,
    why: said?.message ?? whyEnded(),
  };

  function whyEnded(): string {
    if (signal.aborted) return 'the start was interrupted';
    if (deadline.aborted) return `it was not ready within ${readyMs / 1000} s and has been stopped`;
    return `it ended before it was ready (${killed ?? `exit code ${code}`})`;
  }
}

/** Whatever it has started belongs to its group. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

interface Said {
  readonly event: string;
  readonly message?: string;
}

/** Undefined when it closes its output, or the signal is aborted, before it says anything. */
async function firstWord({ stdout }: ChildProcess, signal: AbortSignal): Promise<Said | undefined> {
  if (stdout === null) return undefined;
  const lines = createInterface({ input: stdout, signal });
  try {
    for await (const line of lines) {
      const said = JSON.parse(line) as Said;
      if (said.event === 'ready' || said.event === 'failed') return said;
    }
  } catch {
    // What is no JSON is said by something that went wrong: the log has it.
  }
  return undefined;
}

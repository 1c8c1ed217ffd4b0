/**
 * Carries alarms to where somebody reads them: a program that gets each as JSON on its standard
 * input, or a web address that gets it as a POST. One at a time, each within a deadline; while one
 * is on its way the next ones wait, as many as fit.
 */
import { spawn } from 'node:child_process';
import type { Log } from '../../src/log.js';
import type { Alarm } from './alarms.js';

export interface Messenger {
  send(alarm: Alarm): void;
  /** Nothing further is sent, and what is on its way is stopped. */
  close(): Promise<void>;
}

/** Carries one alarm. Rejects when it did not arrive, and soon after `signal` is aborted. */
type Carry = (alarm: Alarm, signal: AbortSignal) => Promise<void>;

/** What the program finds in its environment: the rest may hold keys that are not its business. */
const ENVIRONMENT = ['PATH', 'HOME', 'LANG', 'TZ'];
const DEADLINE_MS = 10_000;
const MAX_WAITING = 16;

/**
 * @param argv the program and its arguments; no shell reads them
 * @param environment of it the program finds `PATH`, `HOME`, `LANG` and `TZ` in its own
 */
export function commandMessenger(
  argv: readonly string[],
  environment: NodeJS.ProcessEnv,
  log: Log,
  deadlineMs = DEADLINE_MS,
): Messenger {
  const [program = '', ...words] = argv;
  const env = Object.fromEntries(ENVIRONMENT.map((name) => [name, environment[name]]));
  return oneAtATime('warn_command', log, deadlineMs, (alarm, signal) => {
    return new Promise((resolve, reject) => {
      const child = spawn(program, words, {
        env,
        stdio: ['pipe', 'ignore', 'ignore'],
        // A group of its own, so that what it starts ends with it.
        detached: true,
      });
      const kill = () => killGroup(child.pid);
      signal.addEventListener('abort', kill, { once: true });
      child.once('error', reject);
      child.once('exit', (code, ended) => {
        signal.removeEventListener('abort', kill);
        if (code === 0) resolve();
        else reject(new Error(`ended with ${code ?? ended}`));
      });
      // It may not read what it is given: that is its own affair.
      child.stdin.on('error', () => undefined);
      child.stdin.end(`${JSON.stringify(alarm)}\n`);
    });
  });
}

/** @param url checked by the configuration: encrypted, or on this machine */
export function webMessenger(url: string, log: Log, deadlineMs = DEADLINE_MS): Messenger {
  return oneAtATime('warn_url', log, deadlineMs, async (alarm, signal) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(alarm),
      // Where it leads might be neither on this machine nor https.
      redirect: 'error',
      signal,
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`answered with status ${response.status}`);
  });
}

function oneAtATime(name: string, log: Log, deadlineMs: number, carry: Carry): Messenger {
  const closing = new AbortController();
  const waiting: Alarm[] = [];
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    for (let alarm = waiting.shift(); alarm !== undefined; alarm = waiting.shift()) {
      const deadline = new AbortController();
      const timer = setTimeout(() => deadline.abort(), deadlineMs);
      try {
        await carry(alarm, AbortSignal.any([closing.signal, deadline.signal]));
      } catch (error) {
        const why = deadline.signal.aborted ? `took longer than ${deadlineMs} ms` : reasonOf(error);
        if (!closing.signal.aborted) log.warn({ setting: name, why }, 'an alarm was not delivered');
      } finally {
        clearTimeout(timer);
      }
    }
    running = undefined;
  }

  return {
    send: (alarm) => {
      if (closing.signal.aborted) return;
      // The newest say how things are.
      if (waiting.length >= MAX_WAITING) waiting.shift();
      waiting.push(alarm);
      running ??= run();
    },
    close: async () => {
      waiting.length = 0;
      closing.abort();
      await running;
    },
  };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
}

/** An error's code where it has one: its message may hold the address, and that a secret. */
function reasonOf(error: unknown): string {
  const { code, cause, message } = error as NodeJS.ErrnoException & { cause?: { code?: unknown } };
  const known = code ?? cause?.code;
  return typeof known === 'string' ? known : cause === undefined ? message : 'it cannot be reached';
}

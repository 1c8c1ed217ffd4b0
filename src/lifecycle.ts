/**
 * How a long-lived process of ours ends:
 *  - told to stop (SIGTERM, SIGINT, or the parent that holds our IPC channel says so or is gone),
 *    it finishes what runs and exits with 0;
 *  - told by a second signal, it ends at once with 1;
 *  - after a failure that nobody caught, it stops without finishing anything and exits with 1:
 *    what state it is in is unknown, and its supervisor starts a clean one.
 */
import type { Log } from './log.js';

export interface Lifecycle {
  /** Aborted when the process is to stop. */
  readonly stopping: AbortSignal;
  /** Resolves when the process is to stop. */
  readonly stopped: Promise<void>;
  /** How long the stop may wait for what runs, in milliseconds; nothing after a failure. */
  drainMs(): number;
}

export interface LifecycleOptions {
  readonly log: Log;
  /** How long a stop may wait for what runs, in milliseconds. */
  readonly drainMs: number;
  /** Called before the process ends at once, for what must not outlive it. */
  readonly onEndNow?: (() => void) | undefined;
}

/** What a parent sends over the IPC channel before it closes it: the stop is wanted. */
export const STOP_MESSAGE = 'stop';

/** Not SIGHUP: a handler would undo `nohup`, and without one its default ends the process. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** A stop that takes longer than its drain by this, in milliseconds, is stuck: the process ends. */
const STUCK_MS = 3_000;

/**
 * Runs `body` as the life of this process and gives its exit code. `body` returns when it has
 * stopped, soon after `stopping` is aborted.
 * @throws whatever `body` throws, when no uncaught failure came before it
 */
export async function runUntilStopped(
  options: LifecycleOptions,
  body: (life: Lifecycle) => Promise<void>,
): Promise<number> {
  const { log } = options;
  const stop = new AbortController();
  let failed = false;
  let signalled = false;

  function endNow(why: string): never {
    log.error(`${why}; ending at once`);
    options.onEndNow?.();
    process.exit(1);
  }

  function beginStop(why: string, drainMs: number, advice = ''): void {
    if (stop.signal.aborted) return;
    log.info({ why, drainMs }, `stopping${advice}`);
    setTimeout(() => endNow('the stop is stuck'), drainMs + STUCK_MS).unref();
    stop.abort();
  }

  const onSignal = (signal: NodeJS.Signals) => {
    if (signalled) endNow(`a second signal (${signal})`);
    signalled = true;
    beginStop(signal, options.drainMs, '; a second signal ends it at once');
  };
  const onOrphaned = () => beginStop('the parent process is gone', options.drainMs);
  const onMessage = (message: unknown) => {
    if (message === STOP_MESSAGE) beginStop('the parent process asked for it', options.drainMs);
  };
  const onFailure = (error: unknown) => {
    log.fatal({ err: error }, 'a failure that nobody caught');
    if (failed) endNow('a second failure');
    failed = true;
    if (stop.signal.aborted) setTimeout(() => endNow('the stop is stuck'), STUCK_MS).unref();
    else beginStop('failure', 0);
  };

  const stopped = new Promise<void>((resolve) => {
    stop.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  for (const signal of SIGNALS) process.on(signal, onSignal);
  process.on('message', onMessage);
  process.on('disconnect', onOrphaned);
  if (process.connected === false) onOrphaned();
  process.on('uncaughtException', onFailure);
  process.on('unhandledRejection', onFailure);
  try {
    await body({
      stopping: stop.signal,
      stopped,
      drainMs: () => (failed ? 0 : options.drainMs),
    });
  } catch (error) {
    if (!failed) throw error;
    log.error({ err: error }, 'stopping after the failure failed too');
  } finally {
    for (const signal of SIGNALS) process.off(signal, onSignal);
    process.off('message', onMessage);
    process.off('disconnect', onOrphaned);
    process.off('uncaughtException', onFailure);
    process.off('unhandledRejection', onFailure);
  }
  return failed ? 1 : 0;
}

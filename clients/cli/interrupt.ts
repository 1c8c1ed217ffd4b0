/** Ctrl-C while a command waits. */
import { complain } from './failure.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** For what has to be told to others before the end; what still hangs then is left behind. */
const GRACE_MS = 1000;

/**
 * Runs `use` with a signal that the first Ctrl-C (or TERM, or HUP) aborts. When `use` fails by it,
 * `farewell` is told and the process ends by the signal that it got, so that a shell script with this
 * command in it stops as well. The second one ends it at once.
 */
export async function interruptible<T>(
  farewell: () => string,
  use: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  let interruptedBy: NodeJS.Signals | undefined;
  const interrupt = (name: NodeJS.Signals) => {
    ignore();
    interruptedBy = name;
    stop.abort();
  };
  const ignore = () => {
    for (const name of SIGNALS) process.off(name, interrupt);
  };
  for (const name of SIGNALS) process.on(name, interrupt);
  const graceIsOver = new Promise<never>((_, reject) => {
    stop.signal.addEventListener('abort', () => setTimeout(reject, GRACE_MS, stop.signal.reason));
  });
  try {
    return await Promise.race([use(stop.signal), graceIsOver]);
  } catch (error) {
    if (interruptedBy === undefined) throw error;
    complain(farewell());
    process.kill(process.pid, interruptedBy);
    throw error;
  } finally {
    ignore();
  }
}

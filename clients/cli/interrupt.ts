/** Ctrl-C while a command waits. */
import { complain } from './failure.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

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
  try {
    return await use(stop.signal);
  } catch (error) {
    if (interruptedBy === undefined) throw error;
    complain(farewell());
    process.kill(process.pid, interruptedBy);
    throw error;
  } finally {
    ignore();
  }
}

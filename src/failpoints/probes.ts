/** What a test sets to see inside a process: its failpoints, and the file its history goes to. */
import type { Log } from '../log.js';
import { armFailpoints } from './failpoint.js';
import { openHistory } from './history.js';

interface Probes {
  /** As `parseFailpoints` reads them. */
  readonly failpoints?: string | undefined;
  /** Path of the file that facts are appended to. */
  readonly history?: string | undefined;
}

/** @throws ConfigError when the failpoints are not understood, or the file cannot be written to */
export function setProbes({ failpoints, history }: Probes, log: Log): void {
  if (history !== undefined) openHistory(history);
  if (failpoints === undefined) return;
  armFailpoints(failpoints);
  log.warn({ failpoints }, 'failpoints are set: this process is to fail');
}

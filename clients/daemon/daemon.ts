/** The life of a daemon: alone on its bus, noted as long as it runs. */
import { formatOwner, thisProcess } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import { type Found, findDaemon } from './find.js';
import { takeLock } from './lock.js';
import { boundLog } from './log-file.js';
import { makePlace, type Place } from './place.js';
import { type DaemonState, dropState, pidOf, writeState } from './state.js';

/** A daemon runs on this bus, and a second one is refused. */
export class DaemonRuns extends Error {
  override readonly name = 'DaemonRuns';

  constructor({ bus, lock }: Place, found: Found) {
    super(`a daemon runs on ${bus} already: ${whoRuns(found, lock)}`);
  }
}

/** Which daemon it is, for people. */
function whoRuns(found: Found, lock: string): string {
  if (found.at !== 'running') {
    return `it cannot be seen from here, it may be in another container; fuser ${lock} finds it`;
  }
  const { state } = found;
  const since = new Date(state.startedAtUs / 1000).toISOString().slice(0, 19);
  return `pid ${pidOf(state)} since ${since}Z, log ${state.log}`;
}

/**
 * Runs `body` as the daemon of a bus.
 * @throws DaemonRuns when there is one
 * @throws ConfigError when the place of its state cannot be used
 */
export async function asDaemon<T>(
  place: Place,
  facts: Pick<DaemonState, 'session' | 'drainMs' | 'bridge'>,
  body: () => Promise<T>,
): Promise<T> {
  makePlace(place);
  const lock = takeLock(place.lock);
  if (lock === undefined) throw new DaemonRuns(place, await findDaemon(place));
  const endBound = boundLog(place);
  try {
    const owner = formatOwner(thisProcess());
    const startedAtUs = systemClock.wallUs();
    writeState(place, { owner, startedAtUs, db: place.bus, log: place.log, ...facts });
    return await body();
  } finally {
    endBound();
    dropState(place);
    lock.release();
  }
}

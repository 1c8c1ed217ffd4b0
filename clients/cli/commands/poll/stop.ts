/** Stops the daemon of a bus. */
import { findDaemon, pidOf, stopDaemon, tidy } from '../../../daemon/index.js';
import { EXIT } from '../../failure.js';
import { settingsFor, type Words } from '../../options.js';
import { duration, printableLine, printJson, printText, StatusLine } from '../../output.js';
import { placeFor } from './daemon.js';

interface StopWords {
  /** Milliseconds. */
  readonly timeout?: number;
  readonly json?: boolean;
}

/** Beyond its drain, for what comes before and after that, in milliseconds. */
const MARGIN_MS = 5_000;

export async function pollStop(words: Words): Promise<number> {
  const { timeout, json } = words as StopWords;
  const place = placeFor(await settingsFor(words, 'bus'));
  const bus = printableLine(place.bus);
  const found = await findDaemon(place);
  if (found.at === 'absent') {
    const died = tidy(place);
    if (json === true) printJson({ was_running: false, forced: false, pid: null });
    else
      printText(`no daemon runs on ${bus}${died ? '; what one that died had left is gone' : ''}`);
    return EXIT.ok;
  }
  if (found.at === 'hidden') {
    throw new Error(
      `a daemon runs on ${bus} and cannot be seen from here, so it gets no signal; it may be in another container: fuser ${place.lock} finds it`,
    );
  }
  const { state } = found;
  const pid = pidOf(state);
  const timeoutMs = timeout ?? state.drainMs + MARGIN_MS;
  const status = new StatusLine();
  const stopped = await stopDaemon(state, timeoutMs, (waitedMs) =>
    status.show(
      `stopping ${pid}: it finishes what runs, ${Math.round(waitedMs / 1000)} s of at most ${Math.round(timeoutMs / 1000)} s`,
    ),
  ).finally(() => status.clear());
  if (stopped.did === 'fail') throw new Error(`the daemon ${pid} runs on: ${stopped.why}`);
  tidy(place);
  if (json === true) printJson({ was_running: true, forced: stopped.forced, pid });
  else if (!stopped.forced) printText(`stopped: pid ${pid} has finished what ran`);
  else {
    printText(
      `stopped by force: pid ${pid} had not ended within ${duration(timeoutMs)}; what it was at is answered by the next one`,
    );
  }
  return EXIT.ok;
}

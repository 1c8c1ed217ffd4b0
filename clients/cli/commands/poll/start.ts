/** Starts the daemon of a bus in the background. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BusError, type SqliteBus } from '../../../../src/bus/index.js';
import { systemClock } from '../../../../src/clock.js';
import type { Settings } from '../../../../src/config/index.js';
import {
  DaemonRuns,
  findDaemon,
  type Launched,
  launch,
  type Place,
} from '../../../daemon/index.js';
import { clientOptions } from '../../bridge-client.js';
import { openBus } from '../../bus-file.js';
import { complain, EXIT } from '../../failure.js';
import { interruptible } from '../../interrupt.js';
import { flagsOf, needBus, settingsFor, toCommandLine, type Words } from '../../options.js';
import { paint, printableLine, printJson, printText, StatusLine, shellWord } from '../../output.js';
import { AUTOPOLL } from '../../sections.js';
import { MAIN } from '../../supervisor.js';
import { bridgeText, bridgeWire, lookAtBridge, othersOn, othersText, placeFor } from './daemon.js';

interface StartWords {
  /** Milliseconds. */
  readonly interval?: number;
  readonly maxMessages?: number;
  /** Milliseconds. */
  readonly timeout?: number;
  readonly json?: boolean;
}

const DEFAULT_READY_MS = 15_000;

export async function pollStart(given: Words): Promise<number> {
  const { json, timeout: readyMs = DEFAULT_READY_MS } = given as StartWords;
  const words = withOwnNames(given);
  const settings = await settingsFor(words, ...AUTOPOLL);
  const db = needBus(settings);
  const place = placeFor(settings);
  const found = await findDaemon(place);
  if (found.at !== 'absent') throw new DaemonRuns(place, found);
  clientOptions(settings, 'warmline-cli');
  await requireBus(settings, readyMs);
  const launched = await launchDaemon(place, words, readyMs);
  if (launched.did === 'fail') {
    complain(`the daemon did not start: ${launched.why}; its log: ${place.log}`);
    return launched.exitCode;
  }
  const bridge = await lookAtBridge(settings);
  const others = othersOn(db, settings.bus.session, launched.pid);
  if (json === true) {
    printJson({
      pid: launched.pid,
      db: place.bus,
      log_file: place.log,
      bridge: bridgeWire(bridge),
      others: others.map(({ state }) => ({ pid: Number(state.pid) })),
    });
    return EXIT.ok;
  }
  const at = `--db ${shellWord(db)}`;
  printText(
    [
      `${paint('green', 'started')}: pid ${launched.pid} answers the questions on ${printableLine(place.bus)}`,
      bridge.error === undefined ? bridgeText(bridge) : paint('yellow', bridgeText(bridge)),
      ...othersText(others, systemClock.wallUs()),
      `log:    ${printableLine(place.log)}`,
      `status: warmline poll status ${at}`,
      `stop:   warmline poll stop ${at}`,
    ].join('\n'),
  );
  return EXIT.ok;
}

/** `--interval` and `--max-messages` are settings of autopoll under the names that pollers have for them. */
function withOwnNames(words: Words): Words {
  const { interval, maxMessages } = words as StartWords;
  return {
    ...words,
    ...(interval !== undefined && { fallbackEveryMs: interval }),
    ...(maxMessages !== undefined && { concurrency: maxMessages }),
  };
}

/**
 * What stands in the way of work on the bus is found before anything runs.
 * @throws BusError
 */
async function requireBus({ bus: { db = '', session } }: Settings, waitMs: number): Promise<void> {
  const status = new StatusLine();
  const observer = {
    trouble: ({ message }: BusError) => status.show(`${message}; waiting for it`),
  };
  const bus = openBus({ file: db, session, create: false, lockWaitMs: waitMs, observer });
  try {
    await requireLock(bus, waitMs);
  } finally {
    status.clear();
    await bus.close();
  }
}

async function requireLock(bus: SqliteBus, waitMs: number): Promise<void> {
  const late = new AbortController();
  const written = bus.write(() => true).finally(() => late.abort());
  const waited = sleep(waitMs, false, { signal: late.signal }).catch(() => true);
  if (await Promise.race([written, waited])) return;
  written.catch(() => undefined);
  throw new BusError(
    'bus_busy',
    `${bus.file}: another program has held the write lock for ${waitMs / 1000} s, so nothing can be answered; find it with: fuser ${bus.file}`,
  );
}

/** Interrupted, it leaves no daemon that nobody was told of. */
function launchDaemon(place: Place, words: Words, readyMs: number): Promise<Launched> {
  const flags = toCommandLine(flagsOf(words, AUTOPOLL), AUTOPOLL);
  return interruptible(
    () => 'the start was interrupted',
    (signal) => launch({ place, words: [MAIN, 'poll', 'run', ...flags], readyMs, signal }),
  );
}

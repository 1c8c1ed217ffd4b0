/** Wires an autopoll: bus file, socket client, signals and logs. */
import { setTimeout as sleep } from 'node:timers/promises';
import { BusError, type BusObserver, openSqliteBus, type Side } from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';
import type { BridgeClientOptions } from '../socket/index.js';
import { Autopoll } from './autopoll.js';
import { BusTrouble } from './bus-trouble.js';
import { TurnClocks } from './clocks.js';
import { type FigureSettings, Figures } from './figures.js';
import { checkInChild, Housekeeping } from './housekeeping.js';
import { Links } from './links.js';
import { commandMessenger, type Messenger, webMessenger } from './messenger.js';
import type { AutopollSettings } from './parts.js';
import { mostInFlight } from './slots.js';
import { openSpooledBus } from './spool-bus.js';

/** How often the size of the WAL file is looked at. */
const TRIM_EVERY_MS = 60_000;

export interface RunOptions {
  readonly db: string;
  readonly session: Side;
  readonly bridge: BridgeClientOptions;
  readonly settings: AutopollSettings;
  /** Drain what is there, then end. */
  readonly once: boolean;
  /** How long `once` waits for a bridge before it gives up, in milliseconds. */
  readonly connectMs: number;
  readonly drainMs: number;
  /** Where answers are kept while the bus cannot be written; nowhere but in memory without it. */
  readonly spoolDir: string | undefined;
  /** Time between two looks for damage in the bus, in milliseconds; 0 means never. */
  readonly checkEveryMs: number;
  /** How often the bus is looked at for changes that no file event told of, in milliseconds. */
  readonly fallbackEveryMs: number;
  readonly figures: FigureSettings;
  /** Who is told of warnings beside the log: a program with its arguments, a web address. */
  readonly warn: {
    readonly command: readonly string[] | undefined;
    readonly url: string | undefined;
    /** Of the program. */
    readonly environment: NodeJS.ProcessEnv;
  };
  readonly log: Log;
  /** Aborted to stop: turns under way are finished first. */
  readonly signal: AbortSignal;
  readonly onReady: () => void;
}

/**
 * Runs until `signal` is aborted, or until the bus is drained when `once`.
 * @throws BusError when the bus cannot be used; BridgeError when `once` finds no bridge
 */
export async function runAutopoll(options: RunOptions): Promise<void> {
  const { log, settings, signal } = options;
  const fatal = new AbortController();
  const { db: file, session, spoolDir, checkEveryMs } = options;
  const trouble = new BusTrouble(systemClock);
  const busOptions = {
    ...{ file, session, slowLookMs: options.fallbackEveryMs },
    observer: observe(log, fatal, trouble),
  };
  const bus = spoolDir ? openSpooledBus(busOptions, spoolDir, log) : openSqliteBus(busOptions);
  const clocks = new TurnClocks(bus);
  bus.watch(() => clocks.stale());
  const links = new Links(options.bridge, mostInFlight(settings.concurrency));
  logConnection(links, log);
  const autopoll = new Autopoll({
    bus,
    links,
    clock: systemClock,
    log,
    settings: { ...settings, clocks },
    trouble,
    messengers: messengersOf(options),
  });
  const housekeeping = new Housekeeping({
    bus,
    log,
    checkEveryMs,
    trimEveryMs: TRIM_EVERY_MS,
    isIdle: () => autopoll.active === 0,
    check: checkInChild,
    onDamaged: (damage) => fatal.abort(damaged(file, damage)),
  });
  const figures = new Figures({
    bus,
    clock: systemClock,
    log,
    settings: options.figures,
    onTimeoutsChanged: () => clocks.stale(),
  });
  const stop = AbortSignal.any([signal, fatal.signal]);
  try {
    if (options.once) {
      await reach(links, options.connectMs);
      options.onReady();
      await autopoll.drainOnce(stop);
    } else {
      await autopoll.start();
      options.onReady();
      figures.start();
      await aborted(stop);
    }
    if (fatal.signal.aborted) throw fatal.signal.reason;
  } finally {
    await autopoll.stop(options.drainMs);
    // A write of theirs may wait for a bus that cannot be written: its end is the closing.
    const background = Promise.all([housekeeping.stop(), figures.stop()]);
    await links.close();
    await bus.close();
    await background;
    log.info('stopped');
  }
}

function damaged(file: string, damage: string): BusError {
  return new BusError(
    'bus_corrupt',
    `${file}: the file is damaged (${damage}); stop all programs and restore a backup`,
  );
}

function messengersOf({ warn, log }: RunOptions): Messenger[] {
  const { command, url, environment } = warn;
  return [
    ...(command === undefined ? [] : [commandMessenger(command, environment, log)]),
    ...(url === undefined ? [] : [webMessenger(url, log)]),
  ];
}

/** A damaged file is for a person to restore; everything else is waited out. */
function observe(log: Log, fatal: AbortController, watched: BusTrouble): BusObserver {
  return {
    expired: (conversation, questions) =>
      log.warn({ conversation, questions }, 'conversation expired; its questions wait'),
    trouble: (error: BusError, waitedMs) => {
      log.error({ code: error.code, waitedMs: Math.round(waitedMs) }, error.message);
      watched.began(error, waitedMs);
      if (error.code === 'bus_corrupt') fatal.abort(error);
    },
    recovered: (waitedMs) => {
      log.info({ waitedMs: Math.round(waitedMs) }, 'bus writable again');
      watched.ended(waitedMs);
    },
  };
}

/** One line when the bridge goes and one when it comes back, however many attempts lie between. */
function logConnection(links: Links, log: Log): void {
  let told: 'nothing' | 'connected' | 'lost' = 'nothing';
  links.onConnected(() => {
    if (told !== 'connected') log.info('connected to the bridge');
    told = 'connected';
  });
  links.onTrouble((reason) => {
    if (told === 'lost' || links.connected) return;
    told = 'lost';
    log.warn({ code: reason.code }, `no bridge: ${reason.message}; trying again until it answers`);
  });
}

/** Waits for the first connection, through failed attempts, until the time is up. */
async function reach(links: Links, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await links.ready();
    } catch (error) {
      if (performance.now() >= deadline) throw error;
      await sleep(50);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** What an autopoll is made of, and how its parts know each other. */
import { basename } from 'node:path';
import { type SqliteBus, savePark } from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import type { Log } from '../../src/log.js';
import { Alarms } from './alarms.js';
import { BusTrouble } from './bus-trouble.js';
import type { Links } from './links.js';
import type { Messenger } from './messenger.js';
import type { Outage } from './outage.js';
import { describePark, Parking } from './parking.js';
import { Reaper } from './reaper.js';
import type { TurnSettings } from './turn.js';
import { Verdicts } from './verdicts.js';
import { DEFAULT_WARNING_LIMITS, type WarningLimits } from './warnings.js';
import { Watch, type WatchOptions } from './watch.js';

export interface AutopollSettings extends TurnSettings {
  /** Questions in flight at once, for each engine. */
  readonly concurrency: number;
  readonly conversations: readonly string[] | undefined;
  readonly includeExpired: boolean;
  readonly leaseMs: number;
  readonly renewEveryMs: number;
  readonly idleGapMs: number;
  readonly reapEveryMs: number;
  /** How often partners are told that we live; they take us for dead after 120 s. */
  readonly heartbeatEveryMs: number;
  /** How long a turn that is given up may take to stop before its question is handed out again. */
  readonly stopTurnMs?: number | undefined;
  readonly warnings?: WarningLimits | undefined;
}

export interface AutopollParts {
  readonly bus: SqliteBus;
  readonly links: Links;
  readonly clock: Clock;
  readonly log: Log;
  readonly settings: AutopollSettings;
  /** Told by the bus of what is in its way. */
  readonly trouble?: BusTrouble | undefined;
  /** Carry warnings to people. */
  readonly messengers?: readonly Messenger[] | undefined;
}

export interface Hooks {
  readonly beforeReaping: () => void;
  readonly reaped: () => void;
  /** An engine takes work again. */
  readonly opened: () => void;
  readonly work: WatchOptions['work'];
}

export function assemble(parts: AutopollParts, outage: Outage, hooks: Hooks) {
  const { bus, clock, log, links, settings, messengers = [] } = parts;
  const { warnings: limits = DEFAULT_WARNING_LIMITS, conversations } = settings;
  const { reapEveryMs: everyMs, heartbeatEveryMs } = settings;
  const parking = new Parking({
    clock,
    changed: (engine, park) => {
      watch.changed();
      if (park === undefined) hooks.opened();
      const row = park && { ...park, message: describePark(park) };
      savePark(bus, engine, row).catch((error) => log.warn({ err: error }, 'park not noted'));
    },
  });
  const { beforeReaping: before, reaped: passed } = hooks;
  const reaper = new Reaper({ bus, clock, log, everyMs, before, passed });
  const about = { db: basename(bus.file), session: bus.session };
  const watch = new Watch({
    ...{ bus, clock, log, reaper, parking, limits, conversations, everyMs, heartbeatEveryMs },
    trouble: parts.trouble ?? new BusTrouble(clock),
    alarms: new Alarms({ clock, log, about, messengers }),
    work: hooks.work,
    send: (queue) => links.report(queue),
  });
  const verdicts = new Verdicts({ bus, clock, settings, outage, parking, watch });
  return { parking, reaper, watch, verdicts };
}

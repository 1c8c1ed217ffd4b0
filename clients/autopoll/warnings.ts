/**
 * What is worth a person's attention before anybody asks. Pure: what was seen goes in, what is wrong
 * comes out. Each kind has a threshold, and is over only when the figure is well on the right side
 * of it again, so that one that hovers about it is told once.
 */

export type WarningKind =
  | 'oldest_unanswered'
  | 'backlog_growth'
  | 'queue_empty'
  | 'starvation'
  | 'failure_rate'
  | 'dead_letters'
  | 'engine_parked'
  | 'reaper_late'
  | 'wal_size'
  | 'disk_free'
  | 'clock_jump'
  | 'slow_lock'
  | 'bus_trouble';

/** Thresholds; 0 turns a kind off. Durations are in milliseconds, sizes in bytes. */
export interface WarningLimits {
  /** Age of the oldest question that waits for an answer. */
  readonly oldestMs: number;
  /** Questions that came to wait within `WINDOW_MS`. */
  readonly backlogGrowth: number;
  /** Nothing to do since so long, after there was. */
  readonly emptyMs: number;
  /** A question could be asked and none is, since so long. */
  readonly starvedMs: number;
  /** Of the turns of an engine within `WINDOW_MS`, in percent. */
  readonly failurePercent: number;
  /** Questions given up within `WINDOW_MS`. */
  readonly dead: number;
  readonly reaperLateMs: number;
  readonly walBytes: number;
  /** Less than this is left where the bus is. */
  readonly diskBytes: number;
  /** The wall clock moved against the steady one. */
  readonly clockJumpMs: number;
  /** Another program kept the write lock so long. */
  readonly lockMs: number;
}

export const DEFAULT_WARNING_LIMITS: WarningLimits = {
  oldestMs: 600_000,
  backlogGrowth: 1_000,
  emptyMs: 0,
  starvedMs: 60_000,
  failurePercent: 50,
  dead: 1,
  reaperLateMs: 20_000,
  walBytes: 256 * 1024 * 1024,
  diskBytes: 512 * 1024 * 1024,
  clockJumpMs: 5_000,
  lockMs: 5_000,
};

/** Outcomes of an engine's turns since the look before. */
export interface Outcomes {
  readonly worked: number;
  readonly failed: number;
}

export interface Parked {
  readonly engine: string;
  readonly code: string;
  /** In our words: why, until when, and how many questions wait. */
  readonly message: string;
}

/** What is seen in one look. */
export interface Snapshot {
  /** When, on the monotonic clock. */
  readonly atMs: number;
  readonly pending: number;
  readonly leased: number;
  readonly oldestMs: number;
  /** A question could be asked, and there is a slot for it and a bridge that takes it. */
  readonly couldAsk: boolean;
  /** Since a question was last claimed. */
  readonly idleMs: number;
  readonly outcomes: ReadonlyMap<string, Outcomes>;
  /** Questions given up, since ever. */
  readonly dead: number;
  /** Engines that take no work. */
  readonly parks: readonly Parked[];
  /** Since the last pass of the reaper. */
  readonly reaperSilentMs: number;
  /** Undefined where it cannot be told. */
  readonly walBytes: number | undefined;
  readonly diskFreeBytes: number | undefined;
  /** What the wall clock moved by since the look before, beyond the time that passed. */
  readonly clockJumpMs: number;
  /** How long writes have been waiting, or the longest wait since the look before. */
  readonly lockMs: number;
  /** Why the bus cannot be written to, other than a lock: a code. */
  readonly trouble: string | undefined;
}

export interface Warning {
  readonly kind: WarningKind;
  /** The engine it is about; else empty. */
  readonly subject: string;
  /** `severe`: questions are not being answered, or soon will not be. */
  readonly severity: 'warning' | 'severe';
  readonly message: string;
  readonly value: number;
  readonly limit: number;
  readonly sinceMs: number;
}

/** What is remembered from look to look. */
export interface Memory {
  readonly seen: readonly Snapshot[];
  readonly warnings: readonly Warning[];
  /** When there was last something to do; undefined when never. */
  readonly busyMs: number | undefined;
  readonly couldAskSinceMs: number | undefined;
}

export const NOTHING_SEEN: Memory = {
  seen: [],
  warnings: [],
  busyMs: undefined,
  couldAskSinceMs: undefined,
};

/** How far back rates are taken, in milliseconds. */
const WINDOW_MS = 300_000;
/** A moment of trouble is shown this long, so that it is seen. */
const SHOWN_MS = 60_000;
/** Looks that are remembered, however often they are taken. */
const MAX_SEEN = 400;
/** Fewer turns than this have no rate. */
const LEAST_TURNS = 10;
/** Engines that are judged; what a question calls its engine is anybody's choice. */
const MAX_ENGINES = 16;
/** It is over when the figure is this much better than its threshold. */
const MARGIN = 0.8;

/** A figure beside its threshold: wrong when it is at or above, or, for `low`, below. */
interface Figure extends Omit<Warning, 'sinceMs'> {
  readonly low?: boolean;
}

export function look(memory: Memory, now: Snapshot, limits: WarningLimits): Memory {
  const isBusy = now.pending + now.leased > 0;
  const since = now.couldAsk ? (memory.couldAskSinceMs ?? now.atMs) : undefined;
  const next = {
    seen: [...memory.seen.filter(({ atMs }) => now.atMs - atMs <= WINDOW_MS), now].slice(-MAX_SEEN),
    busyMs: isBusy ? now.atMs : memory.busyMs,
    couldAskSinceMs: since,
  };
  const standing = new Map(memory.warnings.map((warning) => [keyOf(warning), warning]));
  const warnings = figures(next, now, limits).flatMap((figure) => {
    const before = standing.get(keyOf(figure));
    if (figure.limit === 0 || !isWrong(figure, before !== undefined)) return [];
    const { low: _low, ...warning } = figure;
    return [{ ...warning, sinceMs: before?.sinceMs ?? now.atMs }];
  });
  return { ...next, warnings };
}

export function keyOf({ kind, subject }: Pick<Warning, 'kind' | 'subject'>): string {
  return `${kind} ${subject}`;
}

function isWrong({ value, limit, low }: Figure, stands: boolean): boolean {
  if (low === true) return value < (stands ? limit / MARGIN : limit);
  return value >= (stands ? limit * MARGIN : limit);
}

type Remembered = Omit<Memory, 'warnings'>;

function figures(memory: Remembered, now: Snapshot, limits: WarningLimits): Figure[] {
  return [
    ...ofQueue(memory, now, limits),
    ...ofTurns(memory, limits),
    ...ofParks(now.parks),
    ...ofHost(memory, now, limits),
  ];
}

function ofQueue(
  { seen, busyMs, couldAskSinceMs }: Remembered,
  now: Snapshot,
  limits: WarningLimits,
) {
  const grown = now.pending - Math.min(...seen.map(({ pending }) => pending));
  const given = now.dead - Math.min(...seen.map(({ dead }) => dead));
  const emptyMs = busyMs === undefined || busyMs === now.atMs ? 0 : now.atMs - busyMs;
  const starvedMs =
    couldAskSinceMs === undefined ? 0 : Math.min(now.atMs - couldAskSinceMs, now.idleMs);
  return [
    figure('oldest_unanswered', now.oldestMs, limits.oldestMs, (value) => {
      return `the oldest question waits for ${seconds(value)}`;
    }),
    figure('backlog_growth', grown, limits.backlogGrowth, (value) => {
      return `${value} more questions wait than in the last ${seconds(WINDOW_MS)}`;
    }),
    figure('queue_empty', emptyMs, limits.emptyMs, (value) => {
      return `no question has come for ${seconds(value)}`;
    }),
    figure('dead_letters', given, limits.dead, (value) => {
      const were = value === 1 ? 'question was' : 'questions were';
      return `${value} ${were} given up in the last ${seconds(WINDOW_MS)}; see: warmline dead`;
    }),
    severe('starvation', starvedMs, limits.starvedMs, (value) => {
      return `questions could be asked, and none was for ${seconds(value)}`;
    }),
    severe('reaper_late', now.reaperSilentMs, limits.reaperLateMs, (value) => {
      return `the last pass of the reaper was ${seconds(value)} ago`;
    }),
  ];
}

function ofTurns({ seen }: Remembered, limits: WarningLimits): Figure[] {
  const totals = new Map<string, { worked: number; failed: number }>();
  for (const { outcomes } of seen) {
    for (const [engine, { worked, failed }] of outcomes) {
      const total = totals.get(engine) ?? { worked: 0, failed: 0 };
      totals.set(engine, { worked: total.worked + worked, failed: total.failed + failed });
    }
  }
  return [...totals]
    .filter(([, { worked, failed }]) => worked + failed >= LEAST_TURNS)
    .map(([engine, { worked, failed }]) => {
      const percent = Math.round((100 * failed) / (worked + failed));
      return {
        ...figure('failure_rate', percent, limits.failurePercent, (value) => {
          return `${value} % of the turns of ${nameOf(engine)} failed in the last ${seconds(WINDOW_MS)}`;
        }),
        subject: engine,
      };
    })
    .sort((one, other) => other.value - one.value)
    .slice(0, MAX_ENGINES);
}

/** A login is for a person to mend; a limit ends by itself. */
function ofParks(parks: readonly Parked[]): Figure[] {
  return parks.slice(0, MAX_ENGINES).map(({ engine, code, message }) => ({
    ...figure('engine_parked', 1, 1, () => `${nameOf(engine)}: ${message}`),
    severity: code === 'engine_auth' ? 'severe' : 'warning',
    subject: engine,
  }));
}

function nameOf(engine: string): string {
  return engine === '' ? 'the usual engine' : engine;
}

function ofHost({ seen }: Remembered, now: Snapshot, limits: WarningLimits): Figure[] {
  const lately = seen.filter(({ atMs }) => now.atMs - atMs < SHOWN_MS);
  const jumpMs = Math.max(...lately.map(({ clockJumpMs }) => Math.abs(clockJumpMs)));
  const lockMs = Math.max(...lately.map((each) => each.lockMs));
  const { trouble, walBytes = 0, diskFreeBytes = Number.POSITIVE_INFINITY } = now;
  return [
    figure('wal_size', walBytes, limits.walBytes, (value) => {
      return `the WAL of the bus has ${mebibytes(value)}: a program holds a read transaction open`;
    }),
    {
      ...severe('disk_free', diskFreeBytes, limits.diskBytes, (value) => {
        return `${mebibytes(value)} are free where the bus is`;
      }),
      low: true,
    },
    figure('clock_jump', jumpMs, limits.clockJumpMs, (value) => {
      return `the clock was set by ${seconds(value)}`;
    }),
    severe('slow_lock', lockMs, limits.lockMs, (value) => {
      return `writes waited ${seconds(value)} for the lock of another program`;
    }),
    severe('bus_trouble', trouble === undefined ? 0 : 1, 1, () => {
      return `the bus cannot be written to (${trouble})`;
    }),
  ];
}

function figure(
  kind: WarningKind,
  value: number,
  limit: number,
  say: (value: number) => string,
): Figure {
  return { kind, subject: '', severity: 'warning', message: say(value), value, limit };
}

function severe(...[kind, value, limit, say]: Parameters<typeof figure>): Figure {
  return { ...figure(kind, value, limit, say), severity: 'severe' };
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

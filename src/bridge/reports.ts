/** What is known, in the shape it has on the wire: snake_case, durations in milliseconds. */
import type { EngineStatus } from '../engines/index.js';
import type { Session } from '../sessions/index.js';
import type { BridgeHealth, ModelReport } from './contract.js';
import type { Desk } from './desk.js';
import type { Histogram } from './histogram.js';

export type DeskState = 'ok' | 'starting' | 'degraded' | 'down';

/** The same moment on both clocks, in milliseconds; `wallMs` since the epoch. */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export function bridgeHealth(
  desks: readonly Desk[],
  usual: Desk,
  now: Now,
): Omit<BridgeHealth, 'queues'> {
  const states = desks.map((desk) => deskState(desk, now.monotonicMs));
  const serves = firstThatServes(usual, now.monotonicMs);
  const { warm, busy } = serves?.pool.counts ?? { warm: 0, busy: 0 };
  const isWarm = warm + busy > 0 || serves?.pool.limits.spares === 0;
  return {
    status:
      serves === undefined
        ? 'down'
        : states.every((state) => state === 'ok' || state === 'starting')
          ? 'ok'
          : 'degraded',
    ready: serves !== undefined && isWarm,
    engines: desks.map((desk) => deskReport(desk, desk === usual, now)),
    childPids: desks.flatMap(({ pool }) => pool.sessions.flatMap(({ pids }) => [...pids])),
  };
}

/** The engine that would answer a query which names none. */
function firstThatServes(usual: Desk, nowMs: number): Desk | undefined {
  const asked = new Set<Desk>();
  for (let desk: Desk | undefined = usual; desk !== undefined; desk = desk.fallback) {
    if (asked.has(desk)) return undefined;
    if (deskState(desk, nowMs) !== 'down') return desk;
    asked.add(desk);
  }
  return undefined;
}

function deskState({ engine, pool }: Desk, nowMs: number): DeskState {
  const { warm, busy, starting } = pool.counts;
  const { health } = pool;
  const isWaiting = health.at !== 'well' && nowMs < health.untilMs;
  if (health.at === 'parked' && isWaiting) return 'down';
  if (health.at === 'quarantined' && warm + busy === 0) return 'down';
  // A limit that has been reset needs no proof; whatever else failed does.
  const isPast = health.at === 'parked' && health.why.code === 'engine_limit';
  const { auth, limit } = statusOf(engine);
  const inDoubt = health.at !== 'well' && !isPast;
  if (inDoubt || auth === 'failed' || limit.state === 'limited') return 'degraded';
  return warm + busy === 0 && starting > 0 ? 'starting' : 'ok';
}

function deskReport(desk: Desk, isDefault: boolean, now: Now): Record<string, unknown> {
  const { pool } = desk;
  const { warm, busy, starting, queued } = pool.counts;
  const { health, lastFault } = pool;
  const wall = (atMs: number) => Math.round(now.wallMs + atMs - now.monotonicMs);
  const waits = health.at !== 'well' && now.monotonicMs < health.untilMs;
  return {
    engine: desk.name,
    kind: desk.kind,
    model: desk.engine.model,
    default: isDefault,
    fallback: desk.fallback?.name ?? null,
    state: deskState(desk, now.monotonicMs),
    sessions: { warm, busy, starting, size: pool.limits.size },
    queued,
    last_failure:
      lastFault === undefined
        ? null
        : {
            code: lastFault.why.code,
            message: lastFault.why.message,
            ago_ms: rounded(now.monotonicMs - lastFault.atMs),
            at_ms: wall(lastFault.atMs),
          },
    trouble: waits ? health.at : null,
    retry_in_ms: waits ? rounded(health.untilMs - now.monotonicMs) : null,
    retry_at_ms: waits ? wall(health.untilMs) : null,
    ...accountReport(desk, now),
    processes: processReport(desk),
  };
}

/** What the adapter knows of login and limit, and what its refusals have told the pool. */
function accountReport({ engine, pool }: Desk, now: Now): Record<string, unknown> {
  const { auth, limit } = statusOf(engine);
  const { health } = pool;
  const parkedFor = health.at === 'parked' ? health.why.code : undefined;
  const isLimited =
    parkedFor === 'engine_limit' && health.at === 'parked' && now.monotonicMs < health.untilMs;
  const resetAtMs =
    limit.resetAtMs ??
    (isLimited ? Math.round(now.wallMs + health.endsMs - now.monotonicMs) : null);
  return {
    auth: parkedFor === 'engine_auth' ? 'failed' : auth,
    limit: { state: isLimited ? 'limited' : limit.state, reset_at_ms: resetAtMs },
  };
}

/** Processes outside this one, and their memory where it can be told. */
function processReport({ pool }: Desk): Record<string, unknown> {
  const pids = pool.sessions.flatMap((session) => [...session.pids]);
  const known = pool.sessions.flatMap((session) => session.memoryBytes() ?? []);
  const memory_bytes = known.length === 0 ? null : known.reduce((sum, bytes) => sum + bytes, 0);
  return { pids, memory_bytes };
}

export function modelReport({ name, kind, model, aliases }: Desk, isDefault: boolean): ModelReport {
  return { engine: name, kind, model, aliases, isDefault };
}

export function deskStats({ pool, tally }: Desk): Record<string, unknown> {
  const { warm, busy, starting, queued } = pool.counts;
  return {
    turns: pool.totals.turns,
    answered: tally.answered,
    failed: Object.fromEntries(tally.failed),
    fell_back: tally.fellBack,
    queued,
    sessions: { warm, busy, starting },
    sessions_opened: pool.totals.opened,
    sessions_replaced: pool.totals.replaced,
    sessions_retired: pool.totals.retired,
    engine_faults: pool.totals.faults,
    latency_ms: quantiles(tally.latency),
    queued_ms: quantiles(tally.queued),
  };
}

export function sessionReport(
  desk: Desk,
  session: Session,
  nowMs: number,
): Record<string, unknown> {
  return {
    session: session.id,
    engine: desk.name,
    state: session.leaving ? 'leaving' : session.state.at,
    key: session.key ?? null,
    context: session.context?.name ?? null,
    turns: session.turns,
    age_ms: rounded(nowMs - session.openedMs),
    idle_ms: session.state.at === 'ready' ? rounded(nowMs - session.usedMs) : 0,
    pids: session.pids,
    memory_bytes: session.memoryBytes() ?? null,
  };
}

const UNKNOWN: EngineStatus = { auth: 'unknown', limit: { state: 'ok' } };

function statusOf(engine: { status(): EngineStatus }): EngineStatus {
  try {
    return engine.status();
  } catch {
    // A report is asked for when something is wrong: it must come whatever an adapter does.
    return UNKNOWN;
  }
}

function quantiles(histogram: Histogram): Record<string, number | null> {
  const at = (q: number) => {
    const ms = histogram.quantile(q);
    return ms === undefined ? null : rounded(ms);
  };
  return {
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    max: histogram.count === 0 ? null : rounded(histogram.maxMs),
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

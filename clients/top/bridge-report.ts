/** What a bridge says of itself, as far as it is shown. A field it does not send is not known. */
import { z } from 'zod';
import type { Report } from '../socket/index.js';

const Count = z.number().catch(0);
const Name = z.string().catch('');
/** Milliseconds. */
const Ms = z.number().nullable().catch(null);

const Engine = z.object({
  engine: Name,
  state: Name,
  sessions: z
    .object({ warm: Count, busy: Count, starting: Count })
    .catch({ warm: 0, busy: 0, starting: 0 }),
  queued: Count,
  trouble: z.string().nullable().catch(null),
  /** Since the epoch. */
  retry_at_ms: Ms,
});

const Health = z.object({
  status: Name,
  version: Name,
  uptime_s: Count,
  engines: z.array(Engine).catch([]),
});

const Latency = z.object({ p50: Ms, p95: Ms, p99: Ms });

const Stats = z.object({
  bridge: z
    .object({
      engines: z.record(z.string(), z.object({ latency_ms: Latency }).optional().catch(undefined)),
    })
    .catch({ engines: {} }),
});

const Session = z.object({
  session: Name,
  engine: Name,
  state: Name,
  key: z.string().nullable().catch(null),
  context: z.string().nullable().catch(null),
  turns: Count,
  age_ms: Ms,
  idle_ms: Ms,
});

const Sessions = z.object({ sessions: z.array(Session).catch([]) });

export type EngineReport = z.infer<typeof Engine>;
export type SessionReport = z.infer<typeof Session>;

export interface BridgeReport extends z.infer<typeof Health> {
  /** By engine, since the bridge was started. */
  readonly latencies: ReadonlyMap<string, z.infer<typeof Latency>>;
  readonly sessions: readonly SessionReport[];
  /** When it said so, microseconds since the epoch. */
  readonly takenAtUs: number;
}

export function readReport(
  health: Report,
  stats: Report,
  sessions: Report,
  takenAtUs: number,
): BridgeReport {
  const { engines } = Stats.parse(stats).bridge;
  return {
    ...Health.parse(health),
    latencies: new Map(
      Object.entries(engines).flatMap(([name, each]) => (each ? [[name, each.latency_ms]] : [])),
    ),
    sessions: Sessions.parse(sessions).sessions,
    takenAtUs,
  };
}

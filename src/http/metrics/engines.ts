/** Engines and their sessions, as the bridge reports them. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Bridge } from '../../bridge/index.js';

interface EngineReport {
  readonly engine: string;
  readonly state: string;
  readonly queued: number;
  readonly sessions: Readonly<Record<'warm' | 'busy' | 'starting', number>>;
  readonly limit: { readonly state: string };
  readonly processes: { readonly memory_bytes: number | null };
}

interface EngineStats {
  readonly sessions_opened: number;
  readonly engine_faults: number;
  readonly fell_back: number;
}

export function engineMetrics(registry: Registry, bridge: Bridge): void {
  const registers = [registry];
  const engines = () => bridge.health().engines as unknown as EngineReport[];
  const gauge = (name: string, help: string, value: (report: EngineReport) => number | null) =>
    new Gauge({
      name: `warmline_engine_${name}`,
      help,
      labelNames: ['engine'],
      registers,
      collect() {
        this.reset();
        for (const report of engines()) {
          const known = value(report);
          if (known !== null) this.set({ engine: report.engine }, known);
        }
      },
    });
  gauge('up', 'Whether the engine takes queries.', ({ state }) => (state === 'down' ? 0 : 1));
  gauge('limited', 'Whether the provider refuses queries for now.', ({ limit }) =>
    limit.state === 'ok' ? 0 : 1,
  );
  gauge('queued_queries', 'Queries that wait for a session.', ({ queued }) => queued);
  gauge(
    'memory_bytes',
    'Memory of the processes of the engine, where it can be told.',
    ({ processes }) => processes.memory_bytes,
  );
  new Gauge({
    name: 'warmline_engine_sessions',
    help: 'Sessions of the engine: warm (free), busy or starting.',
    labelNames: ['engine', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { engine, sessions } of engines()) {
        for (const state of ['warm', 'busy', 'starting'] as const) {
          this.set({ engine, state }, sessions[state]);
        }
      }
    },
  });
  const counter = (name: string, help: string, value: (stats: EngineStats) => number) =>
    new Counter({
      name: `warmline_engine_${name}_total`,
      help,
      labelNames: ['engine'],
      registers,
      collect() {
        this.reset();
        const all = bridge.stats().engines as Readonly<Record<string, EngineStats>>;
        for (const [engine, stats] of Object.entries(all)) this.inc({ engine }, value(stats));
      },
    });
  counter('sessions_opened', 'Sessions opened.', (stats) => stats.sessions_opened);
  counter('faults', 'Failures that were the fault of the engine.', (stats) => stats.engine_faults);
  counter('fallbacks', 'Queries that another engine answered instead.', (stats) => stats.fell_back);
  new Gauge({
    name: 'warmline_queries_in_flight',
    help: 'Queries that have no outcome yet.',
    registers,
    collect() {
      this.set(Number(bridge.stats().in_flight));
    },
  });
}

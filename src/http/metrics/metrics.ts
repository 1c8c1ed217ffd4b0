/**
 * What Prometheus is told. Names follow its conventions: base units, `_total` for what only grows.
 * Labels are engines, outcomes from closed lists and the door's own routes, so the number of series
 * is bounded whatever is asked; no question, conversation or session is ever a label.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Bridge, QueryOutcome } from '../../bridge/index.js';
import { VERSION } from '../../version.js';
import { type BusAccess, busMetrics } from './bus.js';
import { engineMetrics } from './engines.js';
import { processMetrics } from './process.js';

/** From a warm extract to a question of many tools, in seconds. */
const TURN_SECONDS = [0.005, 0.02, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const REQUEST_SECONDS = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 300];

export interface MetricsSource {
  readonly bridge: Bridge;
  /** Undefined when the server has none. */
  readonly bus: BusAccess | undefined;
  /** How many read events now. */
  readonly readers: () => number;
}

export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<'route' | 'status'>;
  readonly #requestSeconds: Histogram<'route'>;
  readonly #lookAtBus: (() => Promise<void>) | undefined;
  /** Whoever asks at the same time gets the same. */
  #making: Promise<string> | undefined;

  constructor({ bridge, bus, readers }: MetricsSource) {
    const registers = [this.#registry];
    new Gauge({
      name: 'warmline_build_info',
      help: 'The version that runs, as a label; always 1.',
      labelNames: ['version'],
      registers,
    }).set({ version: VERSION }, 1);
    this.#countQueries(bridge);
    engineMetrics(this.#registry, bridge);
    this.#lookAtBus = bus && busMetrics(this.#registry, bus);
    this.#requests = new Counter({
      name: 'warmline_http_requests_total',
      help: 'HTTP replies, by route and status.',
      labelNames: ['route', 'status'],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: 'warmline_http_request_duration_seconds',
      help: 'From a request to the end of its reply; a stream ends when its reader goes.',
      labelNames: ['route'],
      buckets: REQUEST_SECONDS,
      registers,
    });
    new Gauge({
      name: 'warmline_http_event_readers',
      help: 'Connections that read events now.',
      registers,
      collect() {
        this.set(readers());
      },
    });
    processMetrics(this.#registry);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** @param route as it was described, `/v1/polling/status/:id`; undefined for an address that is none */
  replied(route: string | undefined, status: number, seconds: number): void {
    const name = route ?? 'none';
    this.#requests.inc({ route: name, status });
    this.#requestSeconds.observe({ route: name }, seconds);
  }

  text(): Promise<string> {
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    return this.#making;
  }

  async #make(): Promise<string> {
    await this.#lookAtBus?.();
    return await this.#registry.metrics();
  }

  #countQueries(bridge: Bridge): void {
    const registers = [this.#registry];
    const queries = new Counter({
      name: 'warmline_queries_total',
      help: 'Queries that ended, by engine and by answered or the code of the error.',
      labelNames: ['engine', 'outcome'],
      registers,
    });
    const turnSeconds = new Histogram({
      name: 'warmline_turn_duration_seconds',
      help: 'How long a session was at work on a query, by how that ended.',
      labelNames: ['engine', 'outcome'],
      buckets: TURN_SECONDS,
      registers,
    });
    const queuedSeconds = new Histogram({
      name: 'warmline_queued_duration_seconds',
      help: 'How long a query that was taken up had waited for a session.',
      labelNames: ['engine'],
      buckets: TURN_SECONDS,
      registers,
    });
    const tokens = new Counter({
      name: 'warmline_tokens_total',
      help: 'Tokens of answered queries, as far as engines count them.',
      labelNames: ['engine', 'direction'],
      registers,
    });
    bridge.observe((engine: string, ended: QueryOutcome) => {
      queries.inc({ engine, outcome: ended.ok ? 'answered' : ended.error.code });
      const turn = ended.ok ? ended.reply : ended.turn;
      if (turn === undefined) return;
      const outcome = ended.ok ? 'answered' : 'failed';
      turnSeconds.observe({ engine, outcome }, (turn.elapsedMs - turn.queuedMs) / 1000);
      queuedSeconds.observe({ engine }, turn.queuedMs / 1000);
      if (!ended.ok || ended.reply.usage === undefined) return;
      const { input_tokens = 0, output_tokens = 0 } = ended.reply.usage;
      tokens.inc({ engine, direction: 'input' }, input_tokens);
      tokens.inc({ engine, direction: 'output' }, output_tokens);
    });
  }
}

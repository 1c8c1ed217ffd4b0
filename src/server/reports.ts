/** The bodies of `health`, `stats`, `sessions`, `welcome` and `help`. */
import { BARE_WORDS } from '../protocol/index.js';
import { VERSION } from '../version.js';
import type { Hub } from './hub.js';
import { countProcesses } from './processes.js';

type Report = Record<string, unknown>;

export const PROTOCOL = 1;

export function health(hub: Hub): Report {
  const bridge = hub.bridge.health();
  return {
    status: bridge.status,
    live: true,
    ready: bridge.ready && !hub.draining,
    draining: hub.draining,
    version: VERSION,
    pid: process.pid,
    uptime_s: uptimeSeconds(hub),
    engines: bridge.engines,
    queues: bridge.queues,
    processes: countProcesses(bridge.childPids),
    memory: memory(),
    connections: connections(hub),
  };
}

export function stats(hub: Hub): Report {
  return { uptime_s: uptimeSeconds(hub), server: serverStats(hub), bridge: hub.bridge.stats() };
}

export function serverStats(hub: Hub): Report {
  const { accepted, refused, foreign, expired, flooded, ...rest } = hub.counters;
  return {
    connections: { ...connections(hub), accepted, refused, foreign, expired, flooded },
    ...rest,
  };
}

export function sessions(hub: Hub): Report {
  return { sessions: hub.bridge.sessions() };
}

export function welcome(hub: Hub): Report {
  const { limits } = hub;
  return {
    protocol: PROTOCOL,
    version: VERSION,
    auth: hub.gate.required ? 'token' : 'off',
    features: ['multiplex', 'stream', 'progress', 'cancel', 'request_id', 'sessions', 'report'],
    limits: {
      max_line_bytes: limits.maxLineBytes,
      max_in_flight: limits.maxInFlight,
      max_bad_lines: limits.maxBadLines,
    },
  };
}

export function help(): Report {
  return {
    protocol: PROTOCOL,
    how: 'one JSON object per line; a query without id gets one line, then the connection ends',
    requests: {
      query: {
        question: 'text',
        'id?': 'text or integer',
        'context_file?': 'path',
        'session?': 'text',
        'model?': 'text',
        'stream?': 'bool',
        'progress?': 'bool',
        'timeout_ms?': 'integer',
        'priority?': 'integer',
        'request_id?': 'text',
        'on_disconnect?': 'finish or cancel',
      },
      cancel: { id: 'text or integer' },
      hello: { 'token?': 'text', 'client?': 'text' },
      report: { queue: 'what an autopoll says of its queue' },
      'ping, health, stats, sessions, help': { 'id?': 'text or integer' },
    },
    words: BARE_WORDS,
  };
}

function connections(hub: Hub): Report {
  return { open: hub.openConnections(), max: hub.limits.maxConnections };
}

function memory(): Report {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return {
    rss_bytes: rss,
    heap_used_bytes: heapUsed,
    heap_total_bytes: heapTotal,
    external_bytes: external,
  };
}

function uptimeSeconds(hub: Hub): number {
  return Math.round((hub.clock.monotonicMs() - hub.startedMs) / 100) / 10;
}

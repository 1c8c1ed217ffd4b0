/** What Prometheus is told: by its conventions, true, and bounded whatever is asked. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { readEvents } from './event-reader.js';
import { type Family, lint, parseExposition } from './exposition.js';
import {
  ask,
  chat,
  documents,
  ended,
  type Running,
  reaches,
  startServe,
  startTask,
  startUp,
} from './support.js';

const ROOT = resolve(import.meta.dirname, '../..');

async function scrape({ url }: Running): Promise<Map<string, Family>> {
  const reply = await fetch(`${url}/metrics`);
  expect(reply.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  return parseExposition(await reply.text());
}

function value(families: Map<string, Family>, name: string, series = '{}'): number | undefined {
  return families.get(name)?.samples.get(series);
}

test('the checker of the format can find fault', () => {
  const help = '# HELP a_total x\n# TYPE a_total counter\n';
  for (const wrong of [
    'a_total 1',
    `${help}a_total 1\na_total 2\n`,
    `${help}b 1\n`,
    `${help}a_total x\n`,
  ]) {
    expect(() => parseExposition(wrong)).toThrow();
  }
  const bad = parseExposition(
    '# HELP a_ms x\n# TYPE a_ms counter\n# HELP h x\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\n',
  );
  expect(lint(bad)).toEqual([
    'a_ms: _total is for counters',
    'a_ms: no base unit',
    'h: {}: buckets do not add up',
    'h: {}: +Inf is not the count',
    'h: {}: no sum',
  ]);
});

test('the figures are what happened', async () => {
  const server = await startUp('--engine', 'fake', '--http-tasks', '1');
  await chat(server, ask('one'));
  await chat(server, ask('!fake error=context_denied two'));
  const held = await startTask(server, '!fake silent');
  await reaches(server, held, 'running');
  // It runs once it is leased; a moment later its session does.
  const busy = '{engine="fake",state="busy"}';
  while (value(await scrape(server), 'warmline_engine_sessions', busy) !== 1);
  await startTask(server, 'three');
  await readEvents(`${server.url}/v1/events`);
  await fetch(`${server.url}/nowhere`);
  const families = await scrape(server);
  expect(lint(families)).toEqual([]);
  expect(value(families, 'warmline_queries_total', '{engine="fake",outcome="answered"}')).toBe(1);
  expect(
    value(families, 'warmline_queries_total', '{engine="fake",outcome="context_denied"}'),
  ).toBe(1);
  const turns = '_count{engine="fake",outcome="answered"}';
  expect(value(families, 'warmline_turn_duration_seconds', turns)).toBe(1);
  expect(value(families, 'warmline_engine_up', '{engine="fake"}')).toBe(1);
  expect(value(families, 'warmline_engine_sessions', busy)).toBe(1);
  expect(value(families, 'warmline_queries_in_flight')).toBe(1);
  expect(value(families, 'warmline_bus_up')).toBe(1);
  expect(value(families, 'warmline_queue_processing_questions')).toBe(1);
  expect(value(families, 'warmline_queue_pending_questions')).toBe(1);
  expect(value(families, 'warmline_queue_oldest_age_seconds')).toBeGreaterThan(0);
  expect(value(families, 'warmline_questions_total', '{outcome="complete"}')).toBe(1);
  expect(value(families, 'warmline_http_event_readers')).toBe(1);
  const none = '{route="none",status="404"}';
  expect(value(families, 'warmline_http_requests_total', none)).toBe(1);
  const memory = value(families, 'process_resident_memory_bytes') ?? 0;
  expect(memory).toBeGreaterThan(2 ** 20);
});

test('what is asked makes no new series', async () => {
  const server = await startUp('--engine', 'fake');
  const noise = async (word: string) => {
    const body = ask(`!fake ${word}`, { user: word, model: word });
    await chat(server, body, { 'x-session-id': word });
    await ended(server, await startTask(server, `task ${word}`));
    await fetch(`${server.url}/${word}`);
    await fetch(`${server.url}/v1/polling/status/${word}`);
  };
  await noise('first');
  const before = await scrape(server);
  for (let n = 0; n < 10; n += 1) await noise(`word${n}`);
  const after = await scrape(server);
  const seriesOf = (families: Map<string, Family>) =>
    [...families].flatMap(([name, { samples }]) => [...samples.keys()].map((key) => name + key));
  const grown = seriesOf(after).filter((series) => !series.includes('/metrics'));
  expect(grown.join()).not.toContain('word');
  expect(grown).toEqual(seriesOf(before).filter((series) => !series.includes('/metrics')));
});

test('without a bus there are no figures of a queue', async () => {
  const families = await scrape(await startServe(documents(), '--engine', 'fake'));
  expect(lint(families)).toEqual([]);
  expect([...families.keys()].filter((name) => /_(queue|bus|questions)_/.test(name))).toEqual([]);
});

test('a bus that cannot be used is told as down, and its figures are left out', async () => {
  const dir = documents();
  const server = await startServe(dir, '--engine', 'fake', '--db', join(dir, 'missing.db'));
  const families = await scrape(server);
  expect(lint(families)).toEqual([]);
  expect(value(families, 'warmline_bus_up')).toBe(0);
  expect(families.get('warmline_queue_pending_questions')?.samples.size).toBe(0);
});

test('the Grafana dashboard and the documentation name figures that there are, and all of them', async () => {
  const server = await startUp('--engine', 'fake');
  const names = [...(await scrape(server)).keys()];
  const grafana = readFileSync(join(ROOT, 'docs/grafana-dashboard.json'), 'utf8');
  const dashboard = JSON.parse(grafana) as {
    readonly panels: readonly {
      readonly id: number;
      readonly targets?: { readonly expr: string }[];
    }[];
  };
  const used = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  expect(used.length).toBeGreaterThan(10);
  const bases = used.flatMap((expr) => expr.match(/\b(?:warmline|process)_[a-z_]+/g) ?? []);
  const unknown = bases.filter((name) => !names.includes(name.replace(/_(bucket|sum|count)$/, '')));
  expect(unknown).toEqual([]);
  expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  const page = readFileSync(join(ROOT, 'docs/prometheus.md'), 'utf8');
  const told = new Set(
    page.match(/`(?:warmline|process)_[a-z_]+`/g)?.map((name) => name.slice(1, -1)),
  );
  expect([...told].filter((name) => names.includes(name)).sort()).toEqual(names.sort());
});

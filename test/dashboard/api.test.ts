import { expect, test } from 'vitest';
import { LISTED_STATUSES, seriesOf } from '../../src/bus/index.js';
import { STATUSES } from '../../src/http/dashboard/wire.js';
import { call, documents, type Json, startServe, startUp } from '../http/support.js';
import { TempBus } from '../support/temp-bus.js';
import { stock } from './stock.js';

function post(url: string, body?: string, type = 'application/json') {
  return call(url, {
    method: 'POST',
    ...(body !== undefined && { body, headers: { 'content-type': type } }),
  });
}

test('the page knows every status word of the bus', () => {
  expect(STATUSES).toEqual(LISTED_STATUSES);
});

test('what is asked wrongly is refused by its name, and changes nothing', async () => {
  const server = await startUp('--engine', 'fake');
  const api = `${server.url}/v1/dashboard`;
  const wrong: [path: string, names: string][] = [
    ['series?minutes=0', 'minutes'],
    ['series?minutes=1e9', 'minutes'],
    ['series?minutes=x', 'minutes'],
    ['questions?status=pending,nonsense', 'status'],
    ['questions?before=-1', 'before'],
    ['questions?limit=100000', 'limit'],
    ['questions?limit=1&limit=2', 'limit'],
    ['questions?conversation=', 'conversation'],
    ['failures?before=9007199254740993', 'before'],
  ];
  for (const [path, names] of wrong) {
    const { status, body } = await call(`${api}/${path}`);
    expect(status, path).toBe(400);
    expect(JSON.stringify(body), path).toContain(names);
  }
  for (const id of ['0', '-1', 'x', '1e3', '99999999999999999999', '999999']) {
    expect((await call(`${api}/questions/${id}`)).status, id).toBe(404);
    expect((await post(`${api}/questions/${id}/cancel`)).status, id).toBe(404);
    expect((await post(`${api}/questions/${id}/retry`)).status, id).toBe(404);
  }
  const change = { conversationId: '', engine: '', timeoutMs: 1_000 };
  const bodies: [body: string, status: number][] = [
    ['{"changes":[]}', 400],
    ['{"changes":1}', 400],
    ['{', 400],
    [JSON.stringify({ changes: [{ ...change, timeoutMs: 0 }] }), 400],
    [JSON.stringify({ changes: [{ ...change, timeoutMs: 1.5 }] }), 400],
    [JSON.stringify({ changes: [{ ...change, engine: 'x'.repeat(300) }] }), 400],
  ];
  for (const [body, status] of bodies) {
    expect((await post(`${api}/timeouts`, body)).status, body).toBe(status);
  }
  const plain = await post(`${api}/timeouts`, JSON.stringify({ changes: [change] }), 'text/plain');
  expect(plain.status).toBe(415);
  const { body } = await call(`${api}/timeouts`);
  expect(body.timeouts).toEqual([]);
});

test('a list comes a page at a time, each question once, and is filtered', async () => {
  const server = await startUp('--engine', 'fake');
  const stocked = await stock(server.db);
  const ids: number[] = [];
  for (let before: unknown = ''; before !== undefined; ) {
    const query = before === '' ? '' : `&before=${before}`;
    const { body } = await call(`${server.url}/v1/dashboard/questions?limit=7${query}`);
    ids.push(...(body.questions as { messageId: number }[]).map(({ messageId }) => messageId));
    before = body.nextBeforeId;
  }
  expect(ids).toEqual([...new Set(ids)].sort((one, other) => other - one));
  expect(ids).toEqual(expect.arrayContaining([stocked.answered, stocked.failed, stocked.running]));
  const only = await call(`${server.url}/v1/dashboard/questions?status=failed,dead`);
  const ended = (only.body.questions as { messageId: number }[]).map(({ messageId }) => messageId);
  expect(ended.sort()).toEqual([stocked.failed, stocked.dead].sort());
});

test('without a bus the state says so, and what needs one is refused', async () => {
  const server = await startServe(documents(), '--engine', 'fake');
  const state = await call(`${server.url}/v1/dashboard/state`);
  expect(state.body).toMatchObject({ status: 'ok', bus: { at: 'none' } });
  for (const path of ['series', 'questions', 'questions/1', 'failures', 'timeouts']) {
    const { status, body } = await call(`${server.url}/v1/dashboard/${path}`);
    expect(status, path).toBe(503);
    expect((body.error as Json).code).toBe('no_bus');
  }
});

test('a chart counts each end once, in the step it fell in, and nothing older than it shows', () => {
  const temp = new TempBus();
  const bus = temp.open();
  const stepUs = 60_000_000;
  const nowUs = 1_000 * stepUs + 30_000_000;
  const end = temp.peer.prepare(
    `INSERT INTO warmline_done (question_id, session, conversation_id, outcome, attempts, seen_at_us,
                                completed_at_us) VALUES (?, ?, 'c', ?, 1, ?, ?)`,
  );
  const rows: [session: string, outcome: string, stepsAgo: number, tookMs: number][] = [
    ['b', 'complete', 20, 10],
    ['b', 'complete', 2, 10],
    ['b', 'complete', 2, 30],
    ['b', 'failed', 2, 10],
    ['b', 'ignored', 1, 10],
    ['a', 'complete', 1, 10],
    ['b', 'dead', 0, 10],
  ];
  for (const [index, [session, outcome, stepsAgo, tookMs]] of rows.entries()) {
    const endUs = nowUs - stepsAgo * stepUs;
    end.run(index + 1, session, outcome, endUs - tookMs * 1000, endUs);
  }
  const { points, knownFromUs } = seriesOf(bus, 10 * 60_000, 10, nowUs);
  expect(points).toHaveLength(10);
  expect(points[0]?.atUs).toBe(knownFromUs);
  const shown = points.filter(({ complete, failed }) => complete + failed > 0);
  expect(shown).toEqual([
    { atUs: 998 * stepUs, complete: 2, failed: 1, totalMs: { p50: 10, p95: 30, p99: 30 } },
    { atUs: 1000 * stepUs, complete: 0, failed: 1, totalMs: undefined },
  ]);
});

test('where more ended than is read, the chart says from when on it is whole', () => {
  const temp = new TempBus();
  const bus = temp.open();
  const nowUs = 3_600_000_000;
  temp.peer.exec(
    `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000)
     INSERT INTO warmline_done (question_id, session, conversation_id, outcome, attempts,
                                seen_at_us, completed_at_us)
     SELECT i, 'b', 'c', 'complete', 1, i * 100000, i * 100000 FROM n`,
  );
  const { points, knownFromUs } = seriesOf(bus, 3_600_000, 60, nowUs);
  expect(points.reduce((sum, { complete }) => sum + complete, 0)).toBe(10_000);
  expect(knownFromUs).toBe(15_001 * 100_000);
});

import { expect, onTestFinished, test, vi } from 'vitest';
import { Links } from '../../clients/autopoll/index.js';
import { BridgeError } from '../../clients/socket/index.js';
import { createAcpEngine } from '../../src/engines/acp/index.js';
import { FakeEngine } from '../../src/engines/fake/index.js';
import { fault } from '../../src/errors.js';
import { goneOwner } from '../contract/bus.harness.js';
import { acpOptions } from '../engines/acp/harness.js';
import { TempBus } from '../support/temp-bus.js';
import { beforeTurns, openHouse, startBridge } from './house.js';

const until = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { timeout: 20_000, interval: 5 });

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test('a start takes over at once what a process that is gone had begun, and says so once', async () => {
  const temp = new TempBus();
  const here = temp.addConversation();
  const [begun, next] = [temp.ask(here, 'One?'), temp.ask(here, 'Two?')];
  await temp.open({ owner: goneOwner() }).claim({ limit: 1, leaseMs: 3_600_000 });

  const port = await startBridge(new FakeEngine());
  const { autopoll, lines, outcome } = await openHouse(port, {}, {}, temp);
  await autopoll.start();
  await until(() => outcome(next) !== undefined);

  expect(outcome(begun)).toEqual({ outcome: 'complete', attempts: 2 });
  const found = { pending: 2, elsewhere: 0, resumed: 1, expired: 0, dead: 0 };
  expect(lines.filter(({ msg }) => msg === 'bus opened')).toMatchObject([found]);
  const audit = temp.peer.prepare(`SELECT * FROM audit_log WHERE action = 'recovery'`).all();
  expect(audit).toMatchObject([{ conversation_id: null, session_id: 'b' }]);
  expect(JSON.parse((audit as { details: string }[])[0]?.details ?? '')).toEqual(found);
});

test('a turn that goes on for many leases is left alone; one without progress is given up in its idle gap', async () => {
  const port = await startBridge(new FakeEngine());
  const { temp, autopoll, outcome, lines } = await openHouse(port, {
    ...{ leaseMs: 400, renewEveryMs: 50, idleGapMs: 2_500 },
    retry: { maxAttempts: 1, baseDelayMs: 5, maxDelayMs: 20 },
  });
  const long = temp.ask(temp.addConversation(), '!fake delay=5000 alive=100 Still at it?');
  const stuck = temp.ask(temp.addConversation(), '!fake silent');
  await autopoll.start();
  await until(() => outcome(stuck) !== undefined);
  expect(outcome(long)).toBeUndefined();
  await until(() => outcome(long) !== undefined);
  expect(outcome(long)).toEqual({ outcome: 'complete', attempts: 1 });
  expect(outcome(stuck)).toEqual({ outcome: 'dead', attempts: 1 });
  expect(lines.filter(({ msg }) => msg === 'turn given up')).toMatchObject([
    { question: stuck, why: 'idle' },
  ]);
});

test('the processes of a turn that is given up are gone before its question is asked again', async () => {
  const before: { pids: readonly number[]; stillAlive: number[] }[] = [];
  const echo = await createAcpEngine(acpOptions());
  const watched = beforeTurns(echo, (session, turn) => {
    const earlier = before.flatMap(({ pids }) => pids);
    before.push({ pids: [...session.pids], stillAlive: earlier.filter(isAlive) });
    return before.length === 1 ? undefined : { ...turn, question: 'echo here' };
  });
  const port = await startBridge(watched);
  const { temp, autopoll, outcome } = await openHouse(port, {
    ...{ leaseMs: 400, renewEveryMs: 50, idleGapMs: 300 },
    retry: { maxAttempts: 100, baseDelayMs: 1, maxDelayMs: 1 },
  });
  const deaf = temp.ask(temp.addConversation(), 'deaf');
  await autopoll.start();
  await until(() => outcome(deaf) !== undefined);
  expect(outcome(deaf)?.outcome).toBe('complete');
  expect(outcome(deaf)?.attempts).toBeGreaterThan(1);
  expect(before).toHaveLength(2);
  expect(before[0]?.pids.length).toBeGreaterThan(0);
  expect(before[1]?.stillAlive).toEqual([]);
});

test('a usage limit burns no attempt, holds up no other engine, shows its end, and is over by itself', async () => {
  const resetMs = performance.now() + 1_500;
  let refused = 0;
  const limited = beforeTurns(new FakeEngine({ name: 'limited' }), () => {
    const leftMs = resetMs - performance.now();
    if (leftMs <= 0) return undefined;
    refused += 1;
    throw fault('engine_limit', 'the limit is reached', { retryAfterMs: Math.ceil(leftMs) });
  });
  const port = await startBridge(limited, new FakeEngine({ name: 'free' }));
  const { temp, autopoll, outcome, health } = await openHouse(port, { concurrency: 2 });
  const conversations = Array.from({ length: 10 }, () => temp.addConversation());
  const waiting = conversations.map((here) => temp.ask(here, 'When?'));
  const other = temp.insert({
    conversationId: temp.addConversation(),
    message: JSON.stringify({ type: 'query', question: 'Now?', model: 'free' }),
  });
  await autopoll.start();

  await until(() => outcome(other) !== undefined);
  expect(waiting.map(outcome)).toEqual(waiting.map(() => undefined));
  await until(async () => {
    const [queue] = (await health()).queues as { parks: { waiting: number }[] }[];
    return queue?.parks[0]?.waiting === 10;
  });
  const { queues } = (await health()) as { queues: { parks: Record<string, unknown>[] }[] };
  const [park] = queues[0]?.parks ?? [];
  expect(park).toMatchObject({ engine: '', code: 'engine_limit' });
  expect(park?.message).toMatch(/^usage limit until 20\d\d-\S+Z, 10 questions wait$/);
  const endsMs = Date.now() + resetMs - performance.now();
  expect(Math.abs(Number(park?.until_ms) - endsMs)).toBeLessThan(1_000);
  expect(temp.peer.prepare('SELECT engine, code FROM warmline_parks').all()).toEqual([
    { engine: '', code: 'engine_limit' },
  ]);

  await until(() => waiting.every((question) => outcome(question) !== undefined));
  expect(waiting.map(outcome)).toEqual(waiting.map(() => ({ outcome: 'complete', attempts: 1 })));
  expect(refused).toBeLessThanOrEqual(2);
  await until(() => temp.peer.prepare('SELECT 1 FROM warmline_parks').get() === undefined);
});

test('an autopoll that starts anew asks nothing of an engine that was parked before', async () => {
  const temp = new TempBus();
  const here = temp.addConversation();
  const port = await startBridge(new FakeEngine());
  const first = await openHouse(port, {}, {}, temp);
  const refused = temp.ask(here, '!fake error=engine_limit retry_after_ms=600000');
  await first.autopoll.start();
  const parks = () => temp.peer.prepare('SELECT code FROM warmline_parks').all().length;
  await until(() => parks() === 1);
  await first.autopoll.stop(0);

  const again = await openHouse(port, {}, {}, temp);
  const other = temp.ask(temp.addConversation(), 'Now?');
  await again.autopoll.start();
  await until(async () => {
    const [, queue] = (await again.health()).queues as { parks: { waiting: number }[] }[];
    return (queue?.parks[0]?.waiting ?? 0) >= 1;
  });
  expect([outcomeOf(refused), outcomeOf(other)]).toEqual([undefined, undefined]);
  function outcomeOf(question: number) {
    return again.outcome(question);
  }
});

test('a warning is seen in health, which is degraded while it is a severe one', async () => {
  const port = await startBridge(new FakeEngine());
  const warnings = { ...NO_WARNINGS, diskBytes: 2 ** 52 };
  const { autopoll, health, lines } = await openHouse(port, { warnings });
  expect((await health()).status).toBe('ok');
  await autopoll.start();
  await until(async () => (await health()).status === 'degraded');
  const { queues } = (await health()) as { queues: { warnings: object[] }[] };
  expect(queues[0]?.warnings).toMatchObject([{ kind: 'disk_free', severity: 'severe' }]);
  await until(() => lines.some(({ warning }) => warning === 'disk_free'));
  expect(lines.filter(({ warning }) => warning === 'disk_free')).toHaveLength(1);
});

test('questions that wait for a busy engine are not starved', async () => {
  const port = await startBridge(new FakeEngine());
  const warnings = { ...NO_WARNINGS, oldestMs: 1, starvedMs: 100 };
  const { autopoll, health, temp } = await openHouse(port, { concurrency: 1, warnings });
  const seen = async () => {
    const [queue] = (await health()).queues as { warnings: { kind: string; age_ms: number }[] }[];
    return queue?.warnings ?? [];
  };
  for (const text of ['!fake delay=60000 alive=600 Long?', 'Next?']) {
    temp.ask(temp.addConversation(), text);
  }
  await autopoll.start();
  await until(() => autopoll.active === 1);
  await until(async () => (await seen()).some(({ age_ms }) => age_ms > 500));
  expect((await seen()).map(({ kind }) => kind)).toEqual(['oldest_unanswered']);
});

test('of questions claimed together for a parked engine one tries it, and the others stay away meanwhile', async () => {
  const port = await startBridge(new FakeEngine());
  const { autopoll, temp, lines } = await openHouse(port);
  temp.peer.exec(
    `INSERT INTO warmline_parks (session, engine, code, message, since_us, until_us)
     VALUES ('b', '', 'engine_limit', 'over by now', 1, 1)`,
  );
  const [first, other] = [0, 1].map(() =>
    temp.ask(temp.addConversation(), '!fake delay=60000 alive=600'),
  ) as [number, number];
  await autopoll.start();
  await until(() => lines.some(({ step }) => step === 'release'));
  const lanes = temp.peer
    .prepare<[], [number, string, number]>('SELECT head_id, state, ready_at_us FROM warmline_lanes')
    .raw();
  const nowUs = Date.now() * 1000;
  expect(lanes.all()).toEqual([
    [first, 'leased', 0],
    [other, 'ready', expect.toSatisfy((atUs: number) => atUs > nowUs - 30_000_000)],
  ]);
});

test('a bridge that shows no queue is told of once, however often it refuses', async () => {
  class Refused extends Links {
    refusals = 0;
    override report(): Promise<void> {
      this.refusals += 1;
      return Promise.reject(
        new BridgeError('bad_request', 'no such request', { retryable: false }),
      );
    }
  }
  const port = await startBridge(new FakeEngine());
  const links = new Refused({ port }, 1);
  onTestFinished(() => links.close());
  await links.ready();
  const { autopoll, lines } = await openHouse(port, {}, { links });
  const told = () => lines.filter(({ msg }) => msg === 'the bridge does not show this queue');
  await autopoll.start();
  await until(() => links.refusals >= 5);
  expect(told()).toMatchObject([{ level: 40, code: 'bad_request', why: 'no such request' }]);
});

test('what an autopoll says of itself stands in the bus while it runs, and with it in health', async () => {
  const port = await startBridge(new FakeEngine());
  const { autopoll, health, temp } = await openHouse(port);
  const rows = () => temp.peer.prepare('SELECT state FROM warmline_workers').pluck().all();
  await autopoll.start();
  await until(async () => ((await health()).queues as object[]).length === 1);
  expect((await health()).queues).toMatchObject([
    {
      ...{ db: 'bus.db', session: 'b', pid: process.pid, late: false, parks: [], warnings: [] },
      ...{ pending: 0, leased: 0, last_pass_age_ms: expect.any(Number) },
      found_total: { expired: 0, gone: 0, failed: 0 },
    },
  ]);
  expect(JSON.parse(String(rows()[0]))).toMatchObject({ pid: process.pid, db: 'bus.db' });
  await autopoll.stop(0);
  expect(rows()).toEqual([]);
});

const NO_WARNINGS = {
  ...{ oldestMs: 0, backlogGrowth: 0, emptyMs: 0, starvedMs: 0, failurePercent: 0 },
  ...{ reaperLateMs: 0, walBytes: 0, diskBytes: 0, clockJumpMs: 0, lockMs: 0, dead: 0 },
};

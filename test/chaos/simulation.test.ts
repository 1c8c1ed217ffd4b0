/** Runs in virtual time. `npm run simulate` has more of them. */
import { describe, expect, test } from 'vitest';
import { newSeed } from '../../chaos/random.js';
import { type RunOptions, type RunResult, simulate } from '../../chaos/simulation/simulate.js';
import type { Bus, SqliteBus } from '../../src/bus/index.js';

const SEED = newSeed();

async function runs(count: number, options: Omit<RunOptions, 'seed'>): Promise<RunResult[]> {
  const results: RunResult[] = [];
  for (let at = 0; at < count; at += 1)
    results.push(await simulate({ seed: SEED + at, ...options }));
  return results;
}

const sum = (results: readonly RunResult[], key: 'questions' | 'deaths' | 'refused') =>
  results.reduce((total, result) => total + result[key], 0);

describe.each([
  ['memory', 300],
  ['sqlite', 12],
] as const)('on the bus in %s', (adapter, count) => {
  test(`${count} runs break no invariant, and things do go wrong in them`, async () => {
    const results = await runs(count, { adapter });
    const broken = results.filter(({ violations }) => violations.length > 0);
    expect(broken).toEqual([]);
    expect(sum(results, 'questions')).toBeGreaterThan(3 * count);
    expect(sum(results, 'deaths')).toBeGreaterThan(count / 2);
    expect(sum(results, 'refused')).toBeGreaterThan(count / 10);
  });

  test('a seed is a run: it repeats', async () => {
    const [first] = await runs(1, { adapter });
    const [second] = await runs(1, { adapter });
    expect(second).toEqual(first);
  });
});

/** What other methods of a bus do, and this one for the named one. */
function instead<B extends Bus>(bus: B, methods: Partial<Bus>): B {
  return new Proxy(bus, {
    get: (target, name) => {
      const own = Reflect.get(methods, name);
      const value = own ?? Reflect.get(target, name, target);
      return typeof value === 'function' && own === undefined ? value.bind(target) : value;
    },
  });
}

/** Picks what looks stuck in one pass and resets it in the next, by its number alone. */
function carelessReaper(bus: Bus): Bus {
  const sqlite = bus as SqliteBus;
  let picked: number[] = [];
  return instead(bus, {
    reap: async () => {
      const earlier = picked;
      picked = sqlite.read((db) =>
        db.prepare(`SELECT lane_id FROM warmline_lanes WHERE state = 'leased'`).pluck().all(),
      ) as number[];
      await sqlite.write((db) => {
        for (const lane of earlier) {
          db.prepare(
            `UPDATE warmline_lanes SET state = 'ready', lease_token = NULL, lease_owner = NULL,
               lease_until_us = NULL WHERE lane_id = ?`,
          ).run(lane);
        }
      });
      return { expired: 0, gone: 0, failed: 0 };
    },
  });
}

/** Writes an answer although its lease is lost. */
function carelessWriter(bus: Bus): Bus {
  return instead(bus, {
    complete: async (lease, answer) => {
      const kept = await bus.complete(lease, answer);
      if (kept !== 'lost') return kept;
      const { conversationId, questionId } = lease;
      const metadata = JSON.stringify({ in_reply_to: questionId });
      await bus.put({ conversationId, from: 'b', message: JSON.stringify(answer), metadata });
      return kept;
    },
  });
}

/** What the first run that breaks an invariant says; a seed finds a fault or does not, always. */
async function firstViolations(options: Omit<RunOptions, 'seed'>): Promise<string> {
  for (let seed = 1; seed <= 100; seed += 1) {
    const { violations } = await simulate({ seed, ...options });
    if (violations.length > 0) return violations.join('\n');
  }
  return '';
}

describe('a fault in the bus is found out', () => {
  test('a reaper that resets what it picked earlier, whatever has become of it', async () => {
    expect(await firstViolations({ adapter: 'sqlite', through: carelessReaper })).toMatch(
      /was under way/,
    );
  });

  test('a worker that writes its answer although its lease is lost', async () => {
    expect(await firstViolations({ adapter: 'memory', through: carelessWriter })).toMatch(
      /duplicated/,
    );
  });

  test('a bus that forgets a question', async () => {
    const forgetful = (bus: Bus) =>
      instead(bus, {
        claim: async (request) => (await bus.claim(request)).filter(({ attempt }) => attempt < 2),
        reap: async () => ({ expired: 0, gone: 0, failed: 0 }),
      });
    expect(await firstViolations({ adapter: 'memory', through: forgetful })).toMatch(
      /do not come to an end/,
    );
  });
});

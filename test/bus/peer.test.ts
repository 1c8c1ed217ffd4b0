import { describe, expect, test } from 'vitest';
import { answer, TempBus } from '../support/temp-bus.js';
import { python } from './processes.js';

const ALL = { limit: 100, leaseMs: 30_000 };

describe('a Python program on the same bus', () => {
  test('reads every row of ours, gets every answer once, and never waits a second for the lock', async () => {
    const temp = new TempBus();
    const conversations = Array.from({ length: 8 }, () => temp.addConversation());
    const bus = temp.open();
    const wild = [
      'plain',
      '"quoted"\n',
      '\u0000\ud800 half a character',
      '\u{1F600}'.repeat(20_000),
    ];
    let served = 0;

    const asker = python('asker.py', temp.file, conversations.join(','), '400');
    const report = asker.line();
    const stop = bus.watch(() => void pump());
    let pumping = false;
    const pump = async () => {
      if (pumping) return;
      pumping = true;
      for (;;) {
        const leases = await bus.claim(ALL);
        if (leases.length === 0) break;
        await bus.heartbeat();
        await Promise.all(
          leases.map((lease) => {
            served += 1;
            const text = wild[served % wild.length] ?? '';
            const error = { code: 'timeout', message: text, attempts: 3, dead: true };
            return bus.complete(lease, answer(text, served % 5 === 0 ? { error } : {}));
          }),
        );
      }
      pumping = false;
    };
    await pump();

    const { longest_wait_s: longestWaitS, ...rest } = JSON.parse(await report);
    stop();
    expect(rest).toEqual({ broken: [], unanswered: [], answered_twice: [], misnamed: [] });
    expect(longestWaitS).toBeLessThan(1);
  }, 60_000);

  test('that holds the write lock for seconds delays our answers and loses none', async () => {
    const temp = new TempBus();
    const conversations = Array.from({ length: 5 }, () => temp.addConversation());
    const asked = temp.askMany(5, conversations);
    const told: string[] = [];
    let troubled = () => {};
    const trouble = new Promise<void>((resolve) => {
      troubled = resolve;
    });
    const bus = temp.open({
      observer: {
        trouble: (error) => {
          told.push(error.code);
          troubled();
        },
        recovered: () => told.push('recovered'),
      },
    });
    const leases = await bus.claim(ALL);

    const holder = python('hold_lock.py', temp.file);
    expect(await holder.line()).toBe('locked');
    let settled = 0;
    const answers = leases.map((lease) =>
      bus.complete(lease, answer()).finally(() => {
        settled += 1;
      }),
    );
    // Said once when it lasts; the event loop turns meanwhile, and reads go on.
    await trouble;
    for (let turn = 0; turn < 100; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      expect(bus.stats().leased).toBe(5);
    }
    expect(settled).toBe(0);
    holder.say('go on');

    expect(await Promise.all(answers)).toEqual(answers.map(() => 'kept'));
    expect(told).toEqual(['bus_busy', 'recovered']);
    for (const id of asked) expect(temp.answersTo(id)).toHaveLength(1);
  });
});

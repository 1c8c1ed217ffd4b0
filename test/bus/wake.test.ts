import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Bus, openSqliteBus } from '../../src/bus/index.js';
import { Wake } from '../../src/bus/sqlite/wake.js';
import { TempBus, tempDir } from '../support/temp-bus.js';
import { python } from './processes.js';

const ALL = { limit: 100, leaseMs: 30_000 };

/** Claims whenever the bus says that something changed; resolves with what came, when all is there. */
function collect(bus: Bus, isAll: (claimed: ReadonlySet<number>) => boolean): Promise<Set<number>> {
  return new Promise((resolve, reject) => {
    const claimed = new Set<number>();
    const stop = bus.watch(() => {
      bus.claim(ALL).then((leases) => {
        for (const lease of leases) {
          claimed.add(lease.questionId);
          void bus.release(lease, 3600_000);
        }
        if (!isAll(claimed)) return;
        stop();
        resolve(claimed);
      }, reject);
    });
  });
}

/** Without its slow look a bus hears only what the file system tells it. */
function withoutSlowLook(): void {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
}

describe('a commit of another program is noticed', () => {
  test.each(['FULL', 'NORMAL', 'OFF'])('with synchronous=%s', async (synchronous) => {
    const temp = new TempBus();
    const conversations = Array.from({ length: 5 }, () => temp.addConversation());
    const bus = temp.open();
    withoutSlowLook();
    for (const conversation of conversations) {
      const noticed = collect(bus, (claimed) => claimed.size === 1);
      const asker = python('ask.py', temp.file, conversation, '1', synchronous);
      const ids = JSON.parse(await asker.line());
      expect([...(await noticed)]).toEqual(ids);
      await asker.ended;
    }
  });

  test('each of many in a row', async () => {
    const temp = new TempBus();
    const bus = temp.open();
    const conversation = temp.addConversation();
    withoutSlowLook();
    const all = new Promise<void>((resolve) => {
      bus.watch(() => bus.stats().pending === 300 && resolve());
    });
    python('ask.py', temp.file, conversation, '300', 'NORMAL');
    await all;
  });

  test('when it moves the WAL file into the bus and cuts it off each time', async () => {
    const temp = new TempBus();
    const bus = temp.open();
    const conversation = temp.addConversation();
    withoutSlowLook();
    const all = new Promise<void>((resolve) => {
      bus.watch(() => bus.stats().pending === 20 && resolve());
    });
    python('ask.py', temp.file, conversation, '20', 'FULL', 'checkpoint');
    await all;
  });

  test('on a bus opened through a symbolic link', async () => {
    const temp = new TempBus();
    const link = join(tempDir(), 'link.db');
    symlinkSync(temp.file, link);
    const bus = openSqliteBus({ file: link });
    onTestFinished(() => bus.close());
    withoutSlowLook();
    const noticed = new Promise<void>((resolve) => bus.watch(resolve));
    temp.ask(temp.addConversation(), 'why?');
    await noticed;
  });

  test('by the slow look where the file system tells nothing', async () => {
    let version = 1;
    let checked = 0;
    const noticed = new Promise<void>((resolve) => {
      const wake = new Wake({
        file: join(tempDir(), 'no', 'such', 'directory', 'bus.db'),
        slowLookMs: 50,
        version: () => version,
        changed: resolve,
        check: () => {
          checked += 1;
        },
      });
      onTestFinished(() => wake.close());
    });
    version = 2;
    await noticed;
    expect(checked).toBeGreaterThan(0);
  });
});

describe('a watch', () => {
  test('that has ended keeps no process alive and tells nothing', async () => {
    const temp = new TempBus();
    const bus = temp.open();
    const handles = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap').length;
    await expect.poll(handles).toBe(0);
    let calls = 0;
    const stops = [1, 2].map(() =>
      bus.watch(() => {
        calls += 1;
      }),
    );
    expect(handles()).toBe(1);
    for (const stop of stops) stop();
    await expect.poll(handles).toBe(0);
    temp.ask(temp.addConversation(), 'why?');
    await bus.claim(ALL);
    expect(calls).toBe(0);
  });

  test('can be begun again after it ended', async () => {
    const temp = new TempBus();
    const bus = temp.open();
    bus.watch(() => {})();
    const noticed = new Promise<void>((resolve) => bus.watch(resolve));
    temp.ask(temp.addConversation(), 'why?');
    await noticed;
  });
});

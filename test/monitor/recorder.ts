/** Monitors on temporary buses, and what they told. */
import { once } from 'node:events';
import { expect, onTestFinished } from 'vitest';
import {
  MessageMonitor,
  type MonitorEvents,
  type MonitorOptions,
} from '../../clients/monitor/index.js';
import type { Lease, SqliteBus } from '../../src/bus/index.js';
import { answer } from '../support/temp-bus.js';

export interface Told {
  readonly event: keyof MonitorEvents;
  readonly messageId: number | undefined;
  readonly told: Record<string, unknown>;
}

const EVENTS = ['statusChange', 'contentUpdate', 'complete', 'fail', 'expire', 'gap'] as const;

/** A monitor that notes all it tells; closed when the test ends. */
export class Recorder {
  readonly monitor: MessageMonitor;
  readonly told: Told[] = [];

  constructor(options: MonitorOptions) {
    this.monitor = new MessageMonitor(options);
    for (const event of EVENTS) {
      this.monitor.on(event, (told: object) => {
        const record = told as Record<string, unknown>;
        this.told.push({ event, messageId: record.messageId as number | undefined, told: record });
      });
    }
    onTestFinished(() => this.monitor.close());
  }

  /** Watches it, and resolves when it has been told where it stands. */
  async added(...ids: number[]): Promise<void> {
    for (const id of ids) this.monitor.add(id);
    await this.until(() => ids.every((id) => this.statuses(id).length > 0));
  }

  async until(isSo: () => boolean): Promise<void> {
    await expect.poll(isSo, { timeout: 20_000, interval: 5 }).toBe(true);
  }

  ended(id: number): Promise<void> {
    return this.until(() => this.ends(id).length > 0);
  }

  of(id: number): Told[] {
    return this.told.filter(({ messageId }) => messageId === id);
  }

  /** As `status:attempt`. */
  statuses(id: number): string[] {
    return this.of(id)
      .filter(({ event }) => event === 'statusChange')
      .map(({ told }) => `${told.status}:${told.attempt}`);
  }

  ends(id: number): Told[] {
    return this.of(id).filter(({ event }) => ['complete', 'fail', 'expire'].includes(event));
  }
}

/** Waits for an event of a monitor. */
export async function next<E extends keyof MonitorEvents>(
  monitor: MessageMonitor,
  event: E,
): Promise<MonitorEvents[E][0]> {
  const [told] = (await once(monitor, event)) as MonitorEvents[E];
  return told;
}

export async function claimOne(bus: SqliteBus): Promise<Lease> {
  const [lease] = await bus.claim({ limit: 1, leaseMs: 60_000 });
  if (!lease) throw new Error('there is nothing to claim');
  return lease;
}

export function failure(code: string, dead: boolean) {
  const error = { code, message: 'it went wrong', attempts: 1, dead };
  return answer('Error: it went wrong', { error });
}

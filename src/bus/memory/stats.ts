/** The figures of a bus in memory. */
import type { BusStats, Side } from '../bus.js';
import { countsFrom } from '../counts.js';
import type { Lane, MemoryBusFile } from './file.js';

export function memoryStats(file: MemoryBusFile, session: Side, nowUs: number): BusStats {
  const lanes = file.lanesOf(session);
  const unsorted = [...file.unsorted(session)];
  const questions = (at: Lane['state']['at']) =>
    lanes.filter((lane) => lane.state.at === at).map((lane) => lane.queue.length);
  const leased = questions('leased').length;
  const oldest = lanes
    .filter((lane) => lane.state.at !== 'expired')
    .map((lane) => lane.queue[lane.state.at === 'leased' ? 1 : 0])
    .map((work) => work && file.messages.get(work.id)?.timestampUs);
  const stamps = [...oldest, unsorted[0]?.[1].timestampUs].filter((us) => us !== undefined);
  return {
    pending: sum(lanes.map((lane) => lane.queue.length)) - leased + unsorted.length,
    leased,
    delayed: lanes.filter((lane) => lane.state.at === 'ready' && lane.readyAtUs > nowUs).length,
    waiting: sum(questions('waiting')),
    expired: sum(questions('expired')),
    ...countsFrom((name) => file.counters.get(`${session}/${name}`)),
    oldestPendingMs:
      stamps.length === 0 ? 0 : Math.max(0, Math.round((nowUs - Math.min(...stamps)) / 1000)),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** How long it took until work went on after a kill, from the history alone. Pure. */
import type { Noted } from '../src/failpoints/index.js';

export interface Recovery {
  readonly of: string;
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export function recoveries(history: readonly Noted[]): Recovery[] {
  const inOrder = [...history].sort((one, other) => one.mono_us - other.mono_us);
  return [
    summary('a killed server: until the next answer is on the bus', afterServers(inOrder)),
    summary('a killed autopoll: until what it held is claimed again', afterAutopolls(inOrder)),
  ];
}

/** Of kills that were followed by another one before anything was answered, the last one counts. */
function afterServers(history: readonly Noted[]): number[] {
  const waits: number[] = [];
  let killedUs: number | undefined;
  for (const fact of history) {
    if (fact.what === 'killed' && fact.victim === 'server') killedUs = fact.mono_us;
    if (killedUs === undefined || !isKept(fact)) continue;
    waits.push(fact.mono_us - killedUs);
    killedUs = undefined;
  }
  return waits;
}

function isKept(fact: Noted): boolean {
  return fact.what === 'settled' && fact.step === 'complete' && fact.result === 'kept';
}

/** For each question that a killed process had claimed and not settled. */
function afterAutopolls(history: readonly Noted[]): number[] {
  const held = new Map<number, Set<number>>();
  const waits: number[] = [];
  const orphaned = new Map<number, number>();
  for (const fact of history) {
    if (fact.what === 'claimed') {
      const since = orphaned.get(fact.question);
      if (since !== undefined) waits.push(fact.mono_us - since);
      orphaned.delete(fact.question);
      const ofProcess = held.get(fact.pid) ?? new Set<number>();
      held.set(fact.pid, ofProcess.add(fact.question));
    } else if (fact.what === 'settled') {
      held.get(fact.pid)?.delete(fact.question);
    } else if (fact.what === 'killed' && fact.victim !== 'server') {
      for (const question of held.get(fact.victimPid) ?? []) {
        orphaned.set(question, fact.mono_us);
      }
      held.delete(fact.victimPid);
    }
  }
  return waits;
}

function summary(of: string, waitsUs: readonly number[]): Recovery {
  const sorted = [...waitsUs].sort((one, other) => one - other);
  const at = (share: number) =>
    Math.round((sorted[Math.ceil(sorted.length * share) - 1] ?? 0) / 1000);
  return { of, samples: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

/**
 * What nothing found in so many trials proves: with 95 % confidence the rate of faults is below
 * this. The "rule of three": the solution of (1 - p)^n = 0.05 is 3/n, rounded up.
 */
export function ruleOfThree(trials: number): string {
  return `0 in ${trials}: with 95 % confidence fewer than ${((3 / trials) * 100).toPrecision(2)} % of kills do harm`;
}

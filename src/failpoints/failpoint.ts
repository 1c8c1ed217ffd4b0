/**
 * Named places where a test can make this process die, stand still or fail. Compiled in, so that
 * what is tested is what runs; a place that nobody set costs the look at one variable.
 */
import { note } from './history.js';
import type { Failpoint } from './names.js';
import { parseFailpoints, type Trap } from './parse.js';

let armed: ReadonlyMap<Failpoint, Armed> | undefined;

interface Armed {
  readonly trap: Trap;
  passed: number;
}

/** @throws ConfigError when the text is not understood */
export function armFailpoints(text: string): void {
  const traps = parseFailpoints(text).map((trap) => [trap.name, { trap, passed: 0 }] as const);
  armed = traps.length === 0 ? undefined : new Map(traps);
}

export function disarmFailpoints(): void {
  armed = undefined;
}

export function failpoint(name: Failpoint): void {
  if (armed !== undefined) pass(name, armed);
}

function pass(name: Failpoint, traps: ReadonlyMap<Failpoint, Armed>): void {
  const found = traps.get(name);
  if (found === undefined) return;
  found.passed += 1;
  const { at, action } = found.trap;
  if (at !== undefined && found.passed !== at) return;
  note({ what: 'failpoint', name, action: action.do });
  switch (action.do) {
    case 'kill':
      process.kill(process.pid, 'SIGKILL');
      standStill(Number.POSITIVE_INFINITY);
      return;
    case 'stop':
      process.kill(process.pid, 'SIGSTOP');
      standStill(STOP_TAKES_MS);
      return;
    case 'throw':
      throw new Error(`failpoint ${name} was set to throw`);
    case 'delay':
      standStill(action.ms);
      return;
  }
}

/** A signal may reach another thread first, and this one is not to go on meanwhile. */
const STOP_TAKES_MS = 5;

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** What is done to whom and when, from a seed. Pure: the same seed is the same schedule. */
import { generator, pick, whole } from './random.js';

export const VICTIMS = ['server', 'autopoll-1', 'autopoll-2'] as const;
export type Victim = (typeof VICTIMS)[number];

export interface Step {
  /** After the step before it, in milliseconds. */
  readonly afterMs: number;
  /** The victim is ready before it is hit; otherwise it may still be starting. */
  readonly whenReady: boolean;
  readonly victim: Victim;
  readonly blow:
    | { readonly kind: 'kill' }
    /** It stands still for so long, then goes on. */
    | { readonly kind: 'stop'; readonly forMs: number };
  /** Questions asked before the step. */
  readonly questions: number;
}

/** Several turns, and about what a process takes to start. */
const LONGEST_PAUSE_MS = 400;
/** One stop comes to so many kills. */
const KILLS_FOR_A_STOP = 4;
/** Some stops outlast a lease, most do not. */
const SHORT_STOP_MS = 400;

export function planSteps(seed: number, kills: number, questions: number, leaseMs: number): Step[] {
  const random = generator(seed);
  const steps: Omit<Step, 'questions'>[] = [];
  for (let killed = 0; killed < kills; ) {
    const isStop = random() < 1 / (KILLS_FOR_A_STOP + 1);
    const longest = random() < 0.25 ? 2 * leaseMs : SHORT_STOP_MS;
    // A server is alone, so it is hit as often as each of the autopolls.
    steps.push({
      afterMs: whole(random, 0, LONGEST_PAUSE_MS),
      whenReady: random() < 0.8,
      victim: pick(random, VICTIMS),
      blow: isStop ? { kind: 'stop', forMs: whole(random, 20, longest) } : { kind: 'kill' },
    });
    if (!isStop) killed += 1;
  }
  const upTo = (step: number) => Math.floor((questions * step) / steps.length);
  return steps.map((step, at) => ({ ...step, questions: upTo(at + 1) - upTo(at) }));
}

export function scheduleText(steps: readonly Step[]): string {
  const count = (victim: Victim, kind: Step['blow']['kind']) =>
    steps.filter((step) => step.victim === victim && step.blow.kind === kind).length;
  const rows = VICTIMS.map(
    (victim) =>
      `  ${victim.padEnd(12)} ${count(victim, 'kill')} kills, ${count(victim, 'stop')} stops`,
  );
  return rows.join('\n');
}

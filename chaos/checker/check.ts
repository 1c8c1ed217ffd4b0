/**
 * Compares what the actors did with what stands on the bus, when nothing runs any more. Pure.
 *
 * The names of what it finds are those of Jepsen's queue checker (`lost`, `unexpected`,
 * `duplicated`, `recovered`: https://github.com/jepsen-io/jepsen, `checker/total-queue`), and what
 * a queue with order, leases and times can do wrong beside that.
 */
import type { Noted } from '../../src/failpoints/index.js';
import type { AnswerFact, AttemptFact, BusFacts, DoneFact } from './facts.js';

export interface Finding {
  readonly question: number;
  readonly why: string;
}

/** What may never be, each with what it means; then what is only worth knowing. */
export const BAD = {
  lost: 'a question without an answer',
  unexpected: 'an answer that nobody asked for, or that is not the one to its question',
  duplicated: 'a question with several answers',
  reordered: 'an answer that came before that of an earlier question of its conversation',
  overlapping: 'an attempt that began while another one ran in its conversation',
  stale_write: 'an answer of an attempt that was not the last one',
  time_inverted: 'an attempt that ended before it began',
  read_mismatch: 'a question whose read mark and answer do not agree',
} as const;

export type BadKind = keyof typeof BAD;

export interface Report {
  readonly bad: Readonly<Record<BadKind, readonly Finding[]>>;
  /** Answered, though the worker that wrote the answer never lived to know: no fault. */
  readonly recovered: readonly Finding[];
  readonly questions: number;
  readonly answers: number;
}

export interface CheckOptions {
  /** Whether this answer belongs to the question with this `message`; any does when absent. */
  readonly belongs?: ((message: string, answer: string) => boolean) | undefined;
  /** Somebody set the wall clock: times of different processes tell nothing about each other. */
  readonly clockWasSet?: boolean | undefined;
}

/**
 * By so much the wall clocks of two processes may differ, in microseconds: the system clock tells
 * milliseconds, and each process keeps its own finer one within 2 ms of it (`src/clock.ts`).
 */
const SKEW_US = 5_000;

/** A row that got no answer and was not to have one. */
const WITHOUT_ANSWER = new Set(['ignored', 'orphaned']);

export function check(
  bus: BusFacts,
  history: readonly Noted[],
  options: CheckOptions = {},
): Report {
  const view = new View(bus, history);
  return {
    bad: {
      lost: lost(view),
      unexpected: unexpected(view, options),
      duplicated: duplicated(view),
      reordered: reordered(view),
      overlapping: options.clockWasSet ? [] : overlapping(view),
      stale_write: staleWrites(view),
      time_inverted: timeInverted(view, options),
      read_mismatch: readMismatches(view),
    },
    recovered: recovered(view),
    questions: bus.questions.length,
    answers: bus.answers.length,
  };
}

export function isGood({ bad }: Report): boolean {
  return Object.values(bad).every((findings) => findings.length === 0);
}

/** The facts, by question and by conversation. */
class View {
  readonly bus: BusFacts;
  readonly history: readonly Noted[];
  readonly rows: ReadonlyMap<number, BusFacts['questions'][number]>;
  readonly answers: ReadonlyMap<number, readonly AnswerFact[]>;
  readonly done: ReadonlyMap<number, DoneFact>;
  readonly attempts: ReadonlyMap<number, readonly AttemptFact[]>;

  constructor(bus: BusFacts, history: readonly Noted[]) {
    this.bus = bus;
    this.history = history;
    this.rows = new Map(bus.questions.map((row) => [row.id, row]));
    this.answers = groupBy(bus.answers, ({ question }) => question);
    this.done = new Map(bus.done.map((row) => [row.question, row]));
    this.attempts = groupBy(bus.attempts, ({ question }) => question);
  }

  isWithoutAnswer(question: number): boolean {
    return WITHOUT_ANSWER.has(this.done.get(question)?.outcome ?? '');
  }
}

function groupBy<K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}

function lost({ bus, rows, answers, history, ...view }: View): Finding[] {
  const isSettled = (id: number) =>
    answers.has(id) || WITHOUT_ANSWER.has(view.done.get(id)?.outcome ?? '');
  return [
    ...bus.questions
      .filter(({ id }) => !isSettled(id))
      .map(({ id }) => ({ question: id, why: 'it has no answer' })),
    ...history
      .filter((fact) => fact.what === 'asked')
      .filter(({ question }) => !rows.has(question))
      .map(({ question }) => ({ question, why: 'it was asked, and its row is gone' })),
    ...history
      .filter((fact) => fact.what === 'read')
      .filter(({ question, answer }) => !answers.get(question)?.some(({ id }) => id === answer))
      .map(({ question, answer }) => ({
        question,
        why: `its answer ${answer} was read, and is gone`,
      })),
  ];
}

function unexpected(view: View, { belongs }: CheckOptions): Finding[] {
  const byAnswer = new Set(view.bus.answers.map(({ id }) => id));
  const ofAnswers = view.bus.answers.flatMap(({ question, conversation, answer }) => {
    const row = view.rows.get(question);
    if (row === undefined) return [{ question, why: 'nobody asked it' }];
    if (row.conversation !== conversation) {
      return [{ question, why: `answered in ${conversation}, asked in ${row.conversation}` }];
    }
    if (!view.done.has(question)) return [{ question, why: 'answered, and not finished' }];
    if (belongs?.(row.message, answer) === false) {
      return [{ question, why: `"${answer.slice(0, 40)}" is no answer to it` }];
    }
    return [];
  });
  const ofDone = view.bus.done
    .filter(({ answer }) => answer !== null && !byAnswer.has(answer))
    .map(({ question, answer }) => ({ question, why: `its answer ${answer} is not there` }));
  return [...ofAnswers, ...ofDone];
}

function duplicated({ answers }: View): Finding[] {
  return [...answers]
    .filter(([, rows]) => rows.length > 1)
    .map(([question, rows]) => ({ question, why: `${rows.length} answers` }));
}

function reordered({ bus }: View): Finding[] {
  const highest = new Map<string, number>();
  const findings: Finding[] = [];
  for (const { question, conversation } of bus.answers) {
    const before = highest.get(conversation) ?? 0;
    if (question < before) findings.push({ question, why: `answered after ${before}` });
    highest.set(conversation, Math.max(before, question));
  }
  return findings;
}

/**
 * One that ended in the moment the next one began may bear the later times of the two. So two that
 * begin together, one of them shorter than the clocks can tell, are not found here; that neither wrote
 * for the other is.
 */
function overlapping({ bus }: View): Finding[] {
  return [...groupBy(bus.attempts, ({ conversation }) => conversation).values()].flatMap(
    (attempts) => {
      let longest: AttemptFact | undefined;
      return inOrder(attempts).flatMap((attempt) => {
        const before = longest;
        if (before === undefined || attempt.finishedUs > before.finishedUs) longest = attempt;
        if (before === undefined || isAfter(attempt, before) || isAfter(before, attempt)) return [];
        const by = before.finishedUs - startOf(attempt);
        return [
          { question: attempt.question, why: `began ${by} µs before ${before.question} ended` },
        ];
      });
    },
  );
}

function isAfter(attempt: AttemptFact, before: AttemptFact): boolean {
  return startOf(attempt) >= before.finishedUs - SKEW_US;
}

function startOf({ claimedUs, seenUs }: AttemptFact): number {
  return claimedUs ?? seenUs;
}

function inOrder(attempts: readonly AttemptFact[]): AttemptFact[] {
  const claimed = attempts.filter(({ claimedUs }) => claimedUs !== null);
  return claimed.sort(
    (one, other) => startOf(one) - startOf(other) || one.finishedUs - other.finishedUs,
  );
}

function staleWrites({ history, done, attempts }: View): Finding[] {
  const ofHistory = history.flatMap((fact) => {
    const isKept = fact.what === 'settled' && fact.step === 'complete' && fact.result === 'kept';
    if (!isKept && fact.what !== 'claimed') return [];
    const { question, attempt } = fact;
    const last = done.get(question)?.attempt ?? attempt;
    if (isKept && attempt !== last) {
      return [{ question, why: `attempt ${attempt} was kept, attempt ${last} is the one noted` }];
    }
    if (attempt > last) {
      return [{ question, why: `attempt ${attempt} was under way, attempt ${last} answered` }];
    }
    return [];
  });
  const ofBus = [...done.values()].flatMap(({ question, attempt }) =>
    (attempts.get(question) ?? [])
      .filter((other) => other.attempt > attempt)
      .map((other) => ({ question, why: `attempt ${other.attempt} came after ${attempt}` })),
  );
  return [...ofHistory, ...ofBus];
}

function timeInverted({ bus, attempts }: View, { clockWasSet = false }: CheckOptions): Finding[] {
  const within = bus.attempts.flatMap((attempt) => {
    const { seenUs, claimedUs, startedUs, firstByteUs, finishedUs, question } = attempt;
    const times = [seenUs, claimedUs, startedUs, firstByteUs, finishedUs].filter(
      (us) => us !== null,
    );
    const isInOrder = times.every((us, index) => us >= (times[index - 1] ?? us));
    return isInOrder ? [] : [{ question, why: `attempt ${attempt.attempt}: ${times.join(' > ')}` }];
  });
  if (clockWasSet) return within;
  const between = [...attempts.values()].flatMap((all) => {
    const byNumber = [...all].sort((one, other) => one.attempt - other.attempt);
    return byNumber.flatMap((attempt, index) => {
      const before = byNumber[index - 1];
      if (before === undefined || isAfter(attempt, before)) return [];
      const why = `attempt ${attempt.attempt} began before ${before.attempt} ended`;
      return [{ question: attempt.question, why }];
    });
  });
  return [...within, ...between];
}

function readMismatches(view: View): Finding[] {
  return view.bus.questions.flatMap(({ id: question, read }) => {
    const isOver = view.answers.has(question) || view.isWithoutAnswer(question);
    if (isOver === read) return [];
    return [
      { question, why: read ? 'marked read without an answer' : 'answered, not marked read' },
    ];
  });
}

function recovered({ history, answers }: View): Finding[] {
  const claimed = new Set<number>();
  const known = new Set<number>();
  for (const fact of history) {
    if (fact.what === 'claimed') claimed.add(fact.question);
    if (fact.what === 'settled' && fact.result === 'kept' && fact.step === 'complete') {
      known.add(fact.question);
    }
  }
  return [...claimed]
    .filter((question) => answers.has(question) && !known.has(question))
    .map((question) => ({ question, why: 'nobody lived to know that its answer was written' }));
}

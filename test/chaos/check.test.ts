/** The checker, on buses that were doctored: whatever can be wrong is found, and nothing else is. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BAD, type CheckOptions, check, isGood } from '../../chaos/checker/check.js';
import type { AttemptFact, BusFacts } from '../../chaos/checker/facts.js';
import { readBus, readHistory } from '../../chaos/checker/read.js';
import { badText, reportText } from '../../chaos/checker/text.js';
import type { Fact, Noted } from '../../src/failpoints/index.js';
import { answer, TempBus, tempDir } from '../support/temp-bus.js';

const CONVERSATION = 'conv_1';

function attempt(question: number, more: Partial<AttemptFact> = {}): AttemptFact {
  const base = question * 1_000_000;
  return {
    ...{ question, conversation: CONVERSATION, attempt: 1, outcome: 'complete' },
    ...{ seenUs: base, claimedUs: base + 1, startedUs: base + 2, firstByteUs: base + 3 },
    finishedUs: base + 4,
    ...more,
  };
}

/** Nothing is known of the turn. */
const UNTOLD = { startedUs: null, firstByteUs: null };

/** Questions 1, 2 and 3 of one conversation, answered by 11, 12 and 13. */
function goodBus(): { -readonly [K in keyof BusFacts]: BusFacts[K][number][] } {
  const ids = [1, 2, 3];
  return {
    questions: ids.map((id) => ({
      ...{ id, conversation: CONVERSATION, message: `question ${id}`, read: true },
    })),
    answers: ids.map((question) => ({
      ...{ id: 10 + question, question, conversation: CONVERSATION },
      answer: `answer ${question}`,
    })),
    done: ids.map((question) => ({
      ...{ question, outcome: 'complete', answer: 10 + question, attempt: 1 },
    })),
    attempts: ids.map((question) => attempt(question)),
  };
}

function noted(...facts: Fact[]): Noted[] {
  return facts.map((fact, at) => ({ ...fact, pid: 1, mono_us: at, wall_us: at }));
}

const GOOD_HISTORY = noted(
  { what: 'asked', question: 1, conversation: CONVERSATION },
  { what: 'claimed', question: 1, attempt: 1, conversation: CONVERSATION },
  { what: 'settled', question: 1, attempt: 1, step: 'complete', result: 'kept' },
);

/** The kinds that are found, with the questions they name. */
function found(bus: BusFacts, history: Noted[] = GOOD_HISTORY, options: CheckOptions = {}) {
  const report = check(bus, history, options);
  const kinds = Object.entries(report.bad).filter(([, findings]) => findings.length > 0);
  expect(isGood(report)).toBe(kinds.length === 0);
  return Object.fromEntries(
    kinds.map(([kind, findings]) => [kind, findings.map(({ question }) => question)]),
  );
}

test('a bus on which all went well has nothing to be found', () => {
  expect(found(goodBus())).toEqual({});
});

describe('what is found', () => {
  test('lost: no answer, a row that is gone', () => {
    const bus = goodBus();
    bus.answers.splice(1, 1);
    bus.done.splice(1, 1);
    bus.attempts.splice(1, 1);
    expect(found(bus)).toEqual({ lost: [2], read_mismatch: [2] });
    const gone: Fact = { what: 'asked', question: 9, conversation: CONVERSATION };
    expect(found(goodBus(), noted(gone))).toEqual({ lost: [9] });
  });

  test('lost: an answer that was read once and is not there any more', () => {
    const read: Fact = { what: 'read', question: 1, answer: 99 };
    expect(found(goodBus(), noted(read))).toEqual({ lost: [1] });
  });

  test('a row that was no question, and one that was deleted, are not lost', () => {
    for (const outcome of ['ignored', 'orphaned']) {
      const bus = goodBus();
      bus.answers.splice(1, 1);
      bus.attempts.splice(1, 1);
      bus.done[1] = { question: 2, outcome, answer: null, attempt: 0 };
      expect(found(bus)).toEqual({});
    }
  });

  test('unexpected: answers to nobody, in another conversation, without an end, or gone', () => {
    const toNobody = goodBus();
    const extra = { id: 20, question: 9, conversation: CONVERSATION, answer: '' };
    toNobody.answers.push(extra);
    expect(found(toNobody)).toEqual({ unexpected: [9] });

    const elsewhere = goodBus();
    elsewhere.answers[0] = { id: 11, question: 1, conversation: 'conv_2', answer: '' };
    expect(found(elsewhere)).toEqual({ unexpected: [1] });

    const unfinished = goodBus();
    unfinished.done.splice(0, 1);
    expect(found(unfinished)).toEqual({ unexpected: [1] });

    const vanished = goodBus();
    vanished.done[0] = { question: 1, outcome: 'complete', answer: 99, attempt: 1 };
    expect(found(vanished)).toEqual({ unexpected: [1] });
  });

  test('unexpected: the answer to another question', () => {
    const belongs = (message: string, text: string) => message.slice(-1) === text.slice(-1);
    expect(found(goodBus(), GOOD_HISTORY, { belongs })).toEqual({});
    const swapped = goodBus();
    swapped.answers[0] = { id: 11, question: 1, conversation: CONVERSATION, answer: 'answer 2' };
    expect(found(swapped, GOOD_HISTORY, { belongs })).toEqual({ unexpected: [1] });
  });

  test('duplicated: two answers to one question', () => {
    const bus = goodBus();
    bus.answers.push({ id: 14, question: 3, conversation: CONVERSATION, answer: 'again' });
    expect(found(bus)).toEqual({ duplicated: [3] });
  });

  test('reordered: an earlier question answered later, in its conversation only', () => {
    const bus = goodBus();
    bus.answers.push(...bus.answers.splice(0, 1));
    expect(found(bus)).toEqual({ reordered: [1] });
    const other = goodBus();
    other.questions[0] = { id: 1, conversation: 'conv_2', message: '', read: true };
    other.answers[0] = { id: 11, question: 1, conversation: 'conv_2', answer: '' };
    other.answers.push(...other.answers.splice(0, 1));
    expect(found(other)).toEqual({});
  });

  test('overlapping: two questions of a conversation under way together', () => {
    const bus = goodBus();
    bus.attempts[0] = attempt(1, { finishedUs: 2_100_000 });
    expect(found(bus)).toEqual({ overlapping: [2] });
    expect(found(bus, GOOD_HISTORY, { clockWasSet: true })).toEqual({});
    bus.attempts[0] = attempt(1, { finishedUs: 2_100_000, conversation: 'conv_2' });
    expect(found(bus)).toEqual({});
  });

  test('overlapping: not where the clocks of two processes differ by what they may', () => {
    const bus = goodBus();
    const [claimedUs, finishedUs] = [2_000_001, 2_000_002];
    bus.attempts[0] = attempt(1, { claimedUs, finishedUs, ...UNTOLD });
    bus.attempts[1] = attempt(2, { claimedUs: 2_000_000, finishedUs: 2_500_000, ...UNTOLD });
    expect(found(bus)).toEqual({});
    const within = { claimedUs: 2_200_000, finishedUs: 2_200_001, ...UNTOLD };
    bus.attempts[0] = attempt(1, within);
    expect(found(bus)).toEqual({ overlapping: [1] });
  });

  test('overlapping: with the one that lasts longest, and not only the one before', () => {
    const bus = goodBus();
    bus.attempts[0] = attempt(1, { claimedUs: 4_000_000, finishedUs: 7_000_000, ...UNTOLD });
    bus.attempts[1] = attempt(2, { claimedUs: 4_000_001, finishedUs: 4_000_002, ...UNTOLD });
    bus.attempts[2] = attempt(3, { claimedUs: 5_000_000, finishedUs: 5_500_000, ...UNTOLD });
    expect(found(bus)).toEqual({ overlapping: [3] });
  });

  test('stale_write: an attempt that was not the last one wrote the answer', () => {
    const claimed: Fact = { what: 'claimed', question: 1, attempt: 2, conversation: CONVERSATION };
    expect(found(goodBus(), noted(claimed))).toEqual({ stale_write: [1] });
    const bus = goodBus();
    bus.done[0] = { question: 1, outcome: 'complete', answer: 11, attempt: 2 };
    const kept = { what: 'settled', question: 1, step: 'complete', result: 'kept' } as const;
    expect(found(bus, noted({ ...kept, attempt: 1 }))).toEqual({ stale_write: [1] });
    expect(found(bus, noted({ ...kept, attempt: 2 }))).toEqual({});
    const reaped = goodBus();
    const claim = { outcome: 'lease_expired', claimedUs: 1_500_000, finishedUs: 1_600_000 };
    reaped.attempts.push(attempt(1, { attempt: 2, ...claim, ...UNTOLD }));
    expect(found(reaped)).toEqual({ stale_write: [1] });
  });

  test('time_inverted: an attempt that ended before it began, or before the one before it', () => {
    for (const wrong of [{ finishedUs: 1_000_000 }, { claimedUs: 900_000 }, { startedUs: 5 }]) {
      const bus = goodBus();
      bus.attempts[0] = attempt(1, wrong);
      expect(found(bus)).toEqual({ time_inverted: [1] });
    }
    const bus = goodBus();
    bus.done[0] = { question: 1, outcome: 'complete', answer: 11, attempt: 2 };
    bus.attempts[0] = attempt(1, { attempt: 2 });
    const later = { seenUs: 0, claimedUs: 1_600_000, finishedUs: 1_700_000 };
    bus.attempts.push(attempt(1, { outcome: 'retried', ...later, ...UNTOLD }));
    expect(found(bus, [])).toEqual({ time_inverted: [1] });
  });

  test('read_mismatch: answered and not marked read', () => {
    const bus = goodBus();
    bus.questions[2] = { id: 3, conversation: CONVERSATION, message: '', read: false };
    expect(found(bus)).toEqual({ read_mismatch: [3] });
  });

  test('every kind has been found by one of these', () => {
    const kinds = Object.keys(BAD).sort();
    expect(kinds).toEqual([
      ...['duplicated', 'lost', 'overlapping', 'read_mismatch', 'reordered'],
      ...['stale_write', 'time_inverted', 'unexpected'],
    ]);
  });
});

test('an answer whose writer did not live to know of it is recovered, and no fault', () => {
  const killed = GOOD_HISTORY.slice(0, 2);
  expect(check(goodBus(), killed).recovered).toMatchObject([{ question: 1 }]);
  expect(check(goodBus(), GOOD_HISTORY).recovered).toEqual([]);
  expect(found(goodBus(), killed)).toEqual({});
});

test('a real bus is read as it is, doctored or not', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const conversation = temp.addConversation();
  const [first = 0, second = 0] = temp.askMany(2, [conversation]);
  for (let left = 2; left > 0; left -= 1) {
    const [lease] = await bus.claim({ limit: 1, leaseMs: 1000 });
    if (lease) await bus.complete(lease, answer());
  }
  expect(found(readBus(temp.file), [])).toEqual({});
  temp.peer.prepare('UPDATE messages SET read = 0 WHERE id = ?').run(first);
  temp.peer.prepare(`DELETE FROM messages WHERE from_session = 'b' AND id > ?`).run(second + 1);
  expect(found(readBus(temp.file), [])).toEqual({
    ...{ lost: [second], unexpected: [second], read_mismatch: [first, second] },
  });
});

test('a report shows every kind, and the short form only what was found', () => {
  const bus = goodBus();
  bus.answers.push({ id: 14, question: 3, conversation: CONVERSATION, answer: 'again' });
  const report = check(bus, GOOD_HISTORY);
  for (const kind of Object.keys(BAD)) expect(reportText(report)).toContain(kind);
  expect(badText(report)).toContain('3: 2 answers');
  expect(badText(report)).not.toContain('lost');
});

test('a line of a history that is none is refused; one that is being written is left out', () => {
  const file = join(tempDir(), 'history.jsonl');
  const line = JSON.stringify(GOOD_HISTORY[0]);
  writeFileSync(file, `${line}\n${line.slice(0, 20)}`);
  expect(readHistory(file)).toEqual([GOOD_HISTORY[0]]);
  writeFileSync(file, `${line.slice(0, 20)}\n${line}\n`);
  expect(() => readHistory(file)).toThrow(/history.jsonl:1 is no line/);
});

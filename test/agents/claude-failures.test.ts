/**
 * Everything that can go wrong with a real `claude` behind a bridge: the asker hears within its
 * clock, nothing of the failed process is left, a session is warm again, and the next question is
 * answered.
 */
import { expect, test } from 'vitest';
import type { ErrorCode } from '../../src/errors.js';
import { STAND_INS } from '../engines/claude/harness.js';
import { isAlive } from '../support/process.js';
import { CLAUDE, type Rig, startRig, until } from './claude.js';

const claudeTest = test.skipIf(CLAUDE === undefined);

/** Short clocks: the times are those of a turn that goes wrong, not of one that is answered. */
const CLOCKS = {
  firstByteMs: 2000,
  idleGapMs: 2000,
  totalMs: 20_000,
  graceMs: 1000,
  backoff: {
    baseMs: 50,
    maxMs: 100,
    quarantineAfter: 5,
    forgetMs: 60_000,
    parkMs: 100,
    maxParkMs: 100,
  },
};

interface Wrong {
  readonly script?: string;
  readonly code: ErrorCode;
  readonly message?: RegExp;
  readonly limits?: object;
  /** Whether the session's process is to be replaced, or kept. */
  readonly replaced: boolean;
  /** Done to the process once its question is with the model. */
  readonly harm?: NodeJS.Signals;
}

const WRONGS: Readonly<Record<string, Wrong>> = {
  'kill -9': { script: 'silence', harm: 'SIGKILL', code: 'engine_error', replaced: true },
  SIGSTOP: { script: 'silence', harm: 'SIGSTOP', code: 'timeout', replaced: true },
  silence: { script: 'silence', code: 'timeout', replaced: false },
  'silence after half an answer': { script: 'half-silence', code: 'timeout', replaced: false },
  'an endless stream, by its clock': {
    script: 'endless',
    code: 'timeout',
    limits: { totalMs: 1500 },
    replaced: false,
  },
  'an endless stream, by its length': {
    script: 'endless gap=0',
    code: 'engine_error',
    message: /longer than 500 characters/,
    limits: { maxAnswerChars: 500 },
    replaced: true,
  },
  'half an answer': {
    script: 'half deltas=4 gap=50 text=one two three four five six seven eight',
    code: 'engine_error',
    replaced: true,
  },
  'a connection lost': { script: 'hang-up', code: 'engine_unavailable', replaced: false },
  '401': { script: 'status=401', code: 'engine_auth', message: /sign in/, replaced: true },
  '429 with a reset': { script: 'status=429 reset=2', code: 'engine_limit', replaced: false },
  '529': { script: 'status=529', code: 'engine_unavailable', replaced: false },
  'a prompt too long': { script: 'too-long', code: 'context_too_large', replaced: false },
};

function soleProcess(rig: Rig): number {
  const [pid] = rig.engine.sessions.at(-1)?.pids ?? [];
  if (pid === undefined) return expect.unreachable('there is no process');
  return pid;
}

claudeTest.each(Object.entries(WRONGS))('%s', async (_, wrong) => {
  const rig = await startRig({ limits: { ...CLOCKS, ...wrong.limits } });
  await rig.answer('Are you there?');
  const before = soleProcess(rig);
  rig.model.clear();
  if (wrong.script !== undefined) rig.model.next(wrong.script);
  const asked = rig.ask('And now?');
  if (wrong.harm !== undefined) {
    await rig.model.waitForRequest(() => true);
    process.kill(before, wrong.harm);
  }

  const outcome = await asked;
  expect(outcome).toMatchObject({ ok: false, error: { code: wrong.code } });
  if (wrong.message !== undefined && !outcome.ok) {
    expect(outcome.error.message).toMatch(wrong.message);
  }
  if (wrong.replaced) await until(() => !isAlive(before));

  // Asked again until the engine is tried again: a limit says when that is.
  const answer = await askUntilAnswered(() => rig.ask('Are you back?'));
  expect(answer).toContain('heard');
  const after = soleProcess(rig);
  expect(after === before).toBe(!wrong.replaced);
  expect(rig.bridge.health().childPids).toEqual([after]);
});

/** What the real program cannot be made to do, done by a stand-in for it behind the real SDK. */
claudeTest.each([
  ['an exit without a result', '[[exit]]', 'engine_error'],
  ['a clean exit without a result', '[[clean exit]]', 'engine_error'],
  ['a line without an end', '[[flood]]', 'engine_error'],
  ['silence, deaf to every interrupt', '[[deaf]]', 'timeout'],
  ['a result, and then nothing more', '[[hang on clear]] hello', undefined],
  ['a result that another follows', '[[twice]] hello', undefined],
  ['a conversation it does not forget', '[[remember]] hello', undefined],
])('%s', async (_, question, code) => {
  const rig = await startRig({
    limits: { ...CLOCKS, resetMs: 500 },
    engine: { claudePath: STAND_INS.claudePath },
  });
  expect(await rig.answer('Are you there?')).toBe('You asked: Are you there?');
  const before = soleProcess(rig);
  const outcome = await rig.ask(question);
  expect(outcome.ok ? undefined : outcome.error.code).toBe(code);
  expect(await rig.answer('Are you back?')).toBe('You asked: Are you back?');
  await until(() => !isAlive(before));
  expect(rig.bridge.health().childPids).toEqual([soleProcess(rig)]);
});

claudeTest('a limit is told with its end, to the asker and in health', async () => {
  const rig = await startRig({ limits: CLOCKS });
  await rig.answer('Are you there?');
  rig.model.next('status=429 reset=600');
  const outcome = await rig.ask('And now?');
  expect(outcome).toMatchObject({ ok: false, error: { code: 'engine_limit' } });
  if (!outcome.ok) expect(outcome.error.retryAfterMs).toBeGreaterThanOrEqual(600_000);
  expect(rig.engine.status()).toMatchObject({ auth: 'ok', limit: { state: 'limited' } });
  expect(rig.engine.status().limit.resetAtMs).toBeGreaterThan(Date.now() + 500_000);
});

claudeTest('an API that is not there is said to be not there', async () => {
  const nobody = 'http://127.0.0.1:1';
  const rig = await startRig({ limits: CLOCKS, engine: { baseUrl: nobody } });
  const outcome = await rig.ask('Are you there?');
  expect(outcome).toMatchObject({ ok: false, error: { code: 'engine_unavailable' } });
});

/** Asks until it is answered. */
async function askUntilAnswered(ask: () => ReturnType<Rig['ask']>): Promise<string> {
  for (;;) {
    const outcome = await ask();
    if (outcome.ok) return outcome.reply.answer;
    const { code, retryAfterMs = 0 } = outcome.error;
    expect(['engine_unavailable', 'engine_limit', 'engine_auth']).toContain(code);
    await new Promise((resolve) => setTimeout(resolve, Math.min(retryAfterMs, 500)));
  }
}

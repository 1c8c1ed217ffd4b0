import { describe, expect, onTestFinished, test } from 'vitest';
import { askAndWait, pollUntilComplete } from '../../clients/monitor/index.js';
import type { SqliteBus } from '../../src/bus/index.js';
import { answer, TempBus } from '../support/temp-bus.js';
import { claimOne, failure } from './recorder.js';

/** Answers whatever comes until the test ends, by what it is asked. */
function answering(bus: SqliteBus): void {
  let claims = Promise.resolve();
  const claim = async () => {
    for (;;) {
      const leases = await bus.claim({ limit: 100, leaseMs: 60_000 });
      if (leases.length === 0) return;
      await Promise.all(
        leases.map((lease) => {
          const { question } = lease;
          const text = question.kind === 'question' ? question.question : 'not understood';
          return bus.complete(lease, answer(`answer to: ${text}`));
        }),
      );
    }
  };
  const stop = bus.watch(() => {
    claims = claims.then(claim);
  });
  claims = claims.then(claim);
  onTestFinished(async () => {
    stop();
    await claims;
  });
}

function watches(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'FSEventWrap').length;
}

describe('pollUntilComplete', () => {
  test('resolves with the answer and calls back for each change', async () => {
    const temp = new TempBus();
    const worker = temp.open();
    const id = temp.ask(temp.addConversation(), 'why?');
    const progress: string[] = [];
    const waiting = pollUntilComplete(id, {
      db: temp.file,
      onProgress: ({ status }) => progress.push(status),
    });
    await expect.poll(() => progress).toEqual(['pending']);
    await worker.complete(await claimOne(worker), answer('because'));
    expect((await waiting).content).toMatchObject({
      answer: 'because',
      sources: ['GUIDE.md:1-3'],
    });
    expect(progress).toEqual(['pending', 'processing', 'complete']);
  });

  test('of many messages at once opens and watches the bus once', async () => {
    const temp = new TempBus();
    const conversations = Array.from({ length: 50 }, () => temp.addConversation());
    const ids = temp.askMany(1000, conversations);
    await expect.poll(watches).toBe(0);
    const waiting = ids.map((id) => pollUntilComplete(id, { db: temp.file }));
    expect(watches()).toBe(1);
    answering(temp.open());
    const done = await Promise.all(waiting);
    expect(done.map(({ messageId }) => messageId)).toEqual(ids);
    expect(done.map(({ content }) => content?.answer)).toEqual(
      ids.map((_, index) => `answer to: question ${index}`),
    );
    await expect.poll(watches).toBe(1);
  });

  test('waits twice for one message', async () => {
    const temp = new TempBus();
    const id = temp.ask(temp.addConversation(), 'why?');
    const waiting = [1, 2].map(() => pollUntilComplete(id, { db: temp.file }));
    answering(temp.open());
    const [one, other] = await Promise.all(waiting);
    expect(one).toEqual(other);
    expect(one?.status).toBe('complete');
  });

  test('rejects with the error answer', async () => {
    const temp = new TempBus();
    const worker = temp.open();
    const id = temp.ask(temp.addConversation(), 'why?');
    await worker.complete(await claimOne(worker), failure('timeout', true));
    await expect(pollUntilComplete(id, { db: temp.file })).rejects.toMatchObject({
      name: 'MonitorError',
      code: 'failed',
      status: 'dead',
      message: `message ${id}: timeout: it went wrong`,
      content: { error: { code: 'timeout' } },
    });
  });

  test('rejects when its time is up, and says what to do', async () => {
    const temp = new TempBus();
    const id = temp.ask(temp.addConversation(), 'why?');
    const waiting = pollUntilComplete(id, { db: temp.file, timeoutMs: 1 });
    await expect(waiting).rejects.toMatchObject({
      code: 'timeout',
      messageId: id,
      message: expect.stringMatching(/not answered after 1 ms.*warmline doctor/),
    });
  });

  test('rejects when the conversation has expired', async () => {
    const temp = new TempBus();
    const id = temp.ask(temp.addConversation('2001-01-01'), 'why?');
    expect(await temp.open().claim({ limit: 1, leaseMs: 1000 })).toEqual([]);
    await expect(pollUntilComplete(id, { db: temp.file })).rejects.toMatchObject({
      code: 'expired',
      message: expect.stringContaining('--include-expired'),
    });
  });

  test('stops when it is told to, before and after it began', async () => {
    const temp = new TempBus();
    const id = temp.ask(temp.addConversation(), 'why?');
    const controller = new AbortController();
    const { signal } = controller;
    const waiting = pollUntilComplete(id, {
      db: temp.file,
      signal,
      onProgress: () => controller.abort(new Error('enough')),
    });
    await expect(waiting).rejects.toThrow('enough');
    await expect(pollUntilComplete(id, { db: temp.file, signal })).rejects.toThrow('enough');
  });

  test('rejects with what its callback throws', async () => {
    const temp = new TempBus();
    const id = temp.ask(temp.addConversation(), 'why?');
    const onProgress = () => {
      throw new Error('not so');
    };
    await expect(pollUntilComplete(id, { db: temp.file, onProgress })).rejects.toThrow('not so');
  });

  test('rejects for a bus that is not there, and for an id that is none', async () => {
    const temp = new TempBus();
    await expect(pollUntilComplete(1, { db: `${temp.file}.no` })).rejects.toMatchObject({
      code: 'bus_missing',
    });
    await expect(pollUntilComplete(-1, { db: temp.file })).rejects.toThrow(RangeError);
  });
});

describe('askAndWait', () => {
  test('asks in one conversation of the two modules, made by the first', async () => {
    const temp = new TempBus();
    answering(temp.open());
    const questions = Array.from({ length: 10 }, (_, index) => `question ${index}`);
    const answered = await Promise.all(
      questions.map((question) => askAndWait('planner', 'archive', question, { db: temp.file })),
    );
    expect(answered.map(({ content }) => content?.answer)).toEqual(
      questions.map((question) => `answer to: ${question}`),
    );
    expect(new Set(answered.map(({ conversationId }) => conversationId)).size).toBe(1);
    expect(new Set(answered.map(({ queryId }) => queryId)).size).toBe(10);
    const row = temp.peer.prepare('SELECT * FROM conversations').all();
    expect(row).toMatchObject([
      {
        id: expect.stringMatching(/^conv_[a-f0-9]{16}$/),
        session_a_role: 'planner',
        session_b_role: 'archive',
        session_a_token: expect.stringMatching(/^[a-f0-9]{64}$/),
        created_at: expect.stringMatching(/^[\d-]{10}T[\d:]{8}\.\d{6}$/),
      },
    ]);
  });

  test('goes to the conversation there is, if that lasts as long as the wait may', async () => {
    const temp = new TempBus();
    answering(temp.open());
    const open = temp.addConversation();
    temp.addConversation('2001-01-01');
    const ask = (timeoutMs: number) =>
      askAndWait('asker', 'shard', 'why?', { db: temp.file, timeoutMs });
    expect((await ask(60_000)).conversationId).toBe(open);
    const longer = await ask(2 * 3_600_000);
    expect(longer.conversationId).not.toBe(open);
    expect((await ask(60_000)).conversationId).toBe(longer.conversationId);
  });

  test('asks side a when told so', async () => {
    const temp = new TempBus();
    answering(temp.open({ session: 'a' }));
    const { conversationId } = await askAndWait('archive', 'planner', 'why?', {
      db: temp.file,
      side: 'a',
    });
    expect(temp.rows()).toMatchObject([
      { conversation_id: conversationId, from_session: 'b', to_session: 'a' },
      { conversation_id: conversationId, from_session: 'a', to_session: 'b' },
    ]);
  });

  test('puts on the bus what it is given, without secrets', async () => {
    const temp = new TempBus();
    answering(temp.open());
    const key = `AKIA${'ABCDEFGH'.repeat(2)}`;
    await askAndWait('planner', 'archive', `what opens ${key}?`, {
      db: temp.file,
      contextFile: 'GUIDE.md',
      model: 'fast',
      priority: 3,
    });
    const message = JSON.parse(temp.rows()[0]?.message ?? '');
    expect(message).toMatchObject({
      type: 'query',
      context_file: 'GUIDE.md',
      model: 'fast',
      priority: 3,
    });
    expect(message.question).toMatch(/^what opens (?!AKIA)/);
  });

  test.each([
    ['a module without a name', ' ', 'why?', undefined],
    ['a blank question', 'archive', ' ', undefined],
    ['a question that is too long', 'archive', 'x'.repeat(50_001), undefined],
    ['a time that is none', 'archive', 'why?', -1],
  ])('refuses %s and writes nothing', async (_, to, question, timeoutMs) => {
    const temp = new TempBus();
    const asking = askAndWait('planner', to, question, { db: temp.file, timeoutMs });
    await expect(asking).rejects.toThrow(RangeError);
    expect(temp.rows()).toEqual([]);
  });
});

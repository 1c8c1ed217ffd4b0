import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { expect, test } from 'vitest';
import { type BridgeClient, connect } from '../../clients/socket/index.js';
import { withDatabase } from '../e2e/warmline.js';
import {
  converse,
  emptyBus,
  type Mcp,
  startBridge,
  startMcp,
  startUp,
  toResult,
  until,
} from './client.js';

test('the tools are listed with their arguments, those of the other bridge by its names', async () => {
  const mcp = await startMcp('--db', await emptyBus());
  const { tools } = await mcp.client.listTools();
  const required = Object.fromEntries(
    tools.map(({ name, inputSchema }) => [name, [...(inputSchema.required ?? [])].sort()]),
  );
  expect(required).toEqual({
    ask: ['question'],
    status: [],
    ask_over_bus: ['question'],
    watch_question: ['conversation_id', 'message_id', 'session_id', 'token'],
    cancel_question: ['conversation_id', 'message_id', 'session_id', 'token'],
    create_conversation: ['my_role', 'partner_role'],
    send_to_partner: ['conversation_id', 'message', 'session_id', 'token'],
    check_messages: ['conversation_id', 'session_id', 'token'],
    update_my_status: ['conversation_id', 'session_id', 'status', 'token'],
    check_partner_status: ['conversation_id', 'session_id', 'token'],
  });
  const send = tools.find(({ name }) => name === 'send_to_partner');
  expect(Object.keys(send?.inputSchema.properties ?? {})).toEqual([
    'conversation_id',
    'session_id',
    'token',
    'message',
    'action_type',
    'files_involved',
  ]);
  expect(tools.every(({ description = '' }) => description.length > 40)).toBe(true);
});

test('a warm session is asked, and tells its stage and how much has come', async () => {
  const port = await startBridge('--fake-delay-ms', '400', '--fake-deltas', '40');
  const mcp = await startMcp('--db', await emptyBus(), '--port', port);
  const told: { progress: number; message?: string | undefined }[] = [];
  const reply = await mcp.call(
    'ask',
    { question: 'How warm is it?' },
    {
      onprogress: (progress) => told.push(progress),
    },
  );
  expect(reply.data).toMatchObject({ answer: 'fake: How warm is it?', engine: 'fake' });
  expect(reply.text).toContain('fake: How warm is it?');
  const streamed = told
    .map(({ message = '' }) => /^generating_response, (\d+) characters$/.exec(message)?.[1])
    .filter((length) => length !== undefined)
    .map(Number);
  expect(streamed.length).toBeGreaterThan(1);
  expect(streamed).toEqual([...streamed].sort((one, other) => one - other));
  expect(Math.max(...streamed)).toBeLessThanOrEqual('fake: How warm is it?'.length);
  // The protocol wants each number above the one before.
  const numbers = told.map(({ progress }) => progress);
  expect(numbers).toEqual([...new Set(numbers)].sort((one, other) => one - other));
});

test('questions with the same session share a context, others share none', async () => {
  const port = await startBridge();
  const mcp = await startMcp('--db', await emptyBus(), '--port', port);
  await mcp.call('ask', { question: 'one', session: 'k' });
  const { data } = await mcp.call('ask', { question: '!fake history two', session: 'k' });
  expect(data.answer).toContain('one');
  const fresh = await mcp.call('ask', { question: '!fake history three' });
  expect(fresh.data.answer).not.toContain('one');
});

test('cancelling a call stops its turn', async () => {
  const port = await startBridge();
  const mcp = await startMcp('--db', await emptyBus(), '--port', port);
  const stop = new AbortController();
  const asked = mcp.call('ask', { question: '!fake silent' }, { signal: stop.signal });
  const watcher = await connect({ port: Number(port), reconnect: false });
  try {
    await until(async () => (await busySessions(watcher)) === 1);
    stop.abort('no longer wanted');
    await expect(asked).rejects.toThrow('no longer wanted');
    await until(async () => (await busySessions(watcher)) === 0);
  } finally {
    await watcher.close();
  }
  expect((await mcp.call('ask', { question: 'still there?' })).isError).toBe(false);
  expect(mcp.stderr()).not.toContain('a tool failed');
});

test('a question over the bus is waited for, and its steps are told', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db, '--port', await startUp(db, '--fake-delay-ms', '300'));
  const { a } = await converse(mcp);
  const told: string[] = [];
  const reply = await mcp.call(
    'ask_over_bus',
    { ...a, question: 'Over the bus?' },
    {
      onprogress: ({ message = '' }) => told.push(message),
    },
  );
  expect(reply.data).toMatchObject({ status: 'complete', answer: 'fake: Over the bus?' });
  expect(told[0]).toBe(`message ${reply.data.message_id}: pending`);
  expect(told).toContain(`message ${reply.data.message_id}: processing`);
  // Only check_messages marks anything read.
  const { data } = await mcp.call('check_messages', a);
  expect(data.messages).toHaveLength(1);
  expect(data.messages[0].metadata).toEqual({
    action_type: 'response',
    in_reply_to: reply.data.message_id,
  });
  expect((await mcp.call('check_messages', a)).data.messages).toEqual([]);
});

test('a question that is not waited for is watched and cancelled by its token', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db, '--port', await startUp(db));
  const asked = await mcp.call('ask_over_bus', { question: '!fake silent', wait: false });
  const { conversation_id, session_id, token, message_id } = asked.data;
  const seat = { conversation_id, session_id, token, message_id };
  await untilStatus(mcp, seat, 'processing');
  const watched = mcp.call('watch_question', { ...seat, wait: true });
  expect((await mcp.call('cancel_question', seat)).data).toEqual({
    message_id,
    outcome: 'cancelled',
    status: 'cancelled',
  });
  expect((await watched).data).toMatchObject({
    status: 'cancelled',
    error: { code: 'cancelled' },
  });
  expect((await watched).isError).toBe(false);
  expect((await mcp.call('cancel_question', seat)).data.outcome).toBe('finished');
});

test('where the queue answers for side a, side b asks', async () => {
  const db = await emptyBus();
  const port = await startUp(db, '--session', 'a');
  const mcp = await startMcp('--db', db, '--port', port, '--session', 'a');
  const { data } = await mcp.call('ask_over_bus', { question: 'Which side?' });
  expect(data).toMatchObject({ session_id: 'b', answer: 'fake: Which side?' });
  const { conversation_id, session_id, token } = data;
  const read = await mcp.call('check_messages', { conversation_id, session_id, token });
  expect(read.data.messages).toMatchObject([{ from: 'a' }]);
});

test('a question that fails is an error of the call that wanted an answer', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db, '--port', await startUp(db));
  const reply = await mcp.call('ask_over_bus', { question: '!fake error=bad_request' });
  expect(reply.isError).toBe(true);
  expect(reply.data).toMatchObject({ status: 'failed', error: { code: 'bad_request' } });
  expect(reply.text).toContain('Error:');
});

test('when the time is up the question stays, and is answered later', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db);
  const asked = await mcp.call('ask_over_bus', { question: 'Anybody?', timeout_ms: 50 });
  expect(asked.isError).toBe(false);
  expect(asked.data.status).toBe('pending');
  await startUp(db);
  const { conversation_id, session_id, token, message_id } = asked.data;
  const seat = { conversation_id, session_id, token, message_id };
  const { data } = await mcp.call('watch_question', { ...seat, wait: true });
  expect(data).toMatchObject({ status: 'complete', answer: 'fake: Anybody?' });
});

test('a task is the question on the bus: another server tells of it, to whoever has its id', async () => {
  const db = await emptyBus();
  const first = await startMcp('--db', db);
  const begun = await beginTask(first, { question: 'How long?' });
  expect(begun).toMatchObject({ status: 'working', pollInterval: 500 });
  expect(begun.ttl).toBeGreaterThan(10_000_000);
  await first.client.close();

  await startUp(db);
  const { client } = await startMcp('--db', db);
  const { tasks } = client.experimental;
  const result = toResult(await tasks.getTaskResult(begun.taskId, CallToolResultSchema));
  expect(result).toMatchObject({ isError: false, data: { answer: 'fake: How long?' } });
  expect(await tasks.getTask(begun.taskId)).toMatchObject({ status: 'completed' });
  const other = begun.taskId.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
  await expect(tasks.getTask(other)).rejects.toThrow('Task not found');
  await expect(tasks.getTask('question-99-00000000000000000000000000000000')).rejects.toThrow(
    'Task not found',
  );
  withDatabase(db, (open) =>
    open.exec("UPDATE conversations SET expires_at = '2020-01-01T00:00:00'"),
  );
  await expect(tasks.getTask(begun.taskId)).rejects.toThrow('Task not found');
});

test('a task is waited for to its end, and one that is cancelled is cancelled on the bus', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db, '--port', await startUp(db));
  const { a } = await converse(mcp);
  const { tasks } = mcp.client.experimental;
  const seen: string[] = [];
  const call = { name: 'ask_over_bus', arguments: { ...a, question: '!fake delay=300 Well?' } };
  for await (const event of tasks.callToolStream(call, undefined, { task: {} })) {
    seen.push(event.type);
    if (event.type === 'result') expect(toResult(event.result).data.answer).toBe('fake: Well?');
  }
  expect(seen[0]).toBe('taskCreated');
  expect(seen.at(-1)).toBe('result');

  const begun = await beginTask(mcp, { ...a, question: '!fake silent' });
  const message_id = Number(/^question-(\d+)-/.exec(begun.taskId)?.[1]);
  await untilStatus(mcp, { ...a, message_id }, 'processing');
  expect(await tasks.cancelTask(begun.taskId)).toMatchObject({ status: 'cancelled' });
  const { data } = await mcp.call('watch_question', { ...a, message_id });
  expect(data.status).toBe('cancelled');
  await expect(tasks.cancelTask(begun.taskId)).rejects.toThrow('terminal status');
  const error = await beginTask(mcp, { ...a, question: ' ' }).catch((thrown: unknown) => thrown);
  expect(String(error)).toContain('bad_request: question: must not be blank');
});

test('a tool that is no task says so', async () => {
  const mcp = await startMcp('--db', await emptyBus());
  const params = { name: 'status', arguments: {} };
  const events = mcp.client.experimental.tasks.callToolStream(params, undefined, { task: {} });
  const seen: string[] = [];
  for await (const event of events) seen.push(event.type === 'error' ? event.error.message : '');
  expect(seen.join()).toContain('status cannot be called as a task');
});

test('status tells of bridge and queue, and which of them is down', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db, '--port', await startUp(db));
  await mcp.call('ask_over_bus', { question: 'One' });
  const { data } = await mcp.call('status');
  expect(data.bridge).toMatchObject({ status: 'ok', ready: true });
  expect(data.bridge.engines[0]).toMatchObject({ engine: 'fake' });
  expect(data.queue).toMatchObject({ answered_side: 'b', pending: 0, complete: 1, workers: 1 });

  const lonely = await startMcp('--db', `${db}.not`, '--port', '1');
  const { data: down } = await lonely.call('status');
  expect(down.bridge).toMatchObject({ status: 'down', error: { code: 'unreachable' } });
  expect(down.queue.error.code).toBe('bus_missing');
});

async function beginTask({ client }: Mcp, given: object) {
  const params = { name: 'ask_over_bus', arguments: given as Record<string, unknown> };
  const events = client.experimental.tasks.callToolStream(params, undefined, { task: {} });
  for await (const event of events) {
    if (event.type === 'taskCreated') return event.task;
    if (event.type === 'error') throw event.error;
  }
  throw new Error('no task was begun');
}

async function busySessions(bridge: BridgeClient): Promise<number> {
  const { engines } = (await bridge.health()) as { engines: { sessions: { busy: number } }[] };
  return engines[0]?.sessions.busy ?? 0;
}

async function untilStatus(mcp: Mcp, seat: object, status: string): Promise<void> {
  await until(async () => (await mcp.call('watch_question', seat)).data.status === status);
}

import { expect, test } from 'vitest';
import { putTask, type Task } from '../../src/bus/index.js';
import { query, TempBus } from '../support/temp-bus.js';

const TASK: Task = { taskId: 't-1', source: 'billing', target: 'docs', question: 'Where?' };

test('a task is a question in the conversation of its two modules, under its own id', async () => {
  const house = new TempBus();
  const { did, messageId, conversationId } = await putTask(house.open(), TASK);
  expect(did).toBe('put');
  const [row] = house.rows();
  expect(row).toMatchObject({ id: messageId, from_session: 'a', to_session: 'b', read: 0 });
  expect(row?.metadata).toBe('{"action_type":"question"}');
  expect(JSON.parse(row?.message ?? '')).toEqual({
    type: 'query',
    query_id: 't-1',
    question: 'Where?',
  });
  const roles = house.peer.prepare('SELECT session_a_role, session_b_role FROM conversations');
  expect(roles.all()).toEqual([{ session_a_role: 'billing', session_b_role: 'docs' }]);
  expect(await putTask(house.open(), { ...TASK, taskId: 't-2' })).toMatchObject({ conversationId });
});

test('for the other side the modules change places', async () => {
  const house = new TempBus();
  await putTask(house.open({ session: 'a' }), TASK);
  expect(house.rows()).toMatchObject([{ from_session: 'b', to_session: 'a' }]);
  const roles = house.peer.prepare('SELECT session_a_role, session_b_role FROM conversations');
  expect(roles.all()).toEqual([{ session_a_role: 'docs', session_b_role: 'billing' }]);
});

test('a task is known again, also in a conversation that has expired', async () => {
  const house = new TempBus();
  const bus = house.open();
  const { messageId } = await putTask(bus, TASK);
  house.peer.exec(`UPDATE conversations SET expires_at = '2020-01-01T00:00:00.000000'`);
  expect(await putTask(bus, TASK)).toMatchObject({ did: 'known', messageId });
  expect(house.rows()).toHaveLength(1);
});

test.each([
  ['another question', { question: 'When?' }],
  ['another document', { contextFile: 'GUIDE.md' }],
  ['another model', { model: 'large' }],
])('the same id with %s is a conflict', async (_what, other) => {
  const house = new TempBus();
  const bus = house.open();
  const { messageId } = await putTask(bus, TASK);
  expect(await putTask(bus, { ...TASK, ...other })).toMatchObject({ did: 'conflict', messageId });
  expect(house.rows()).toHaveLength(1);
});

test('an id is no other that holds it, and no text that mentions it', async () => {
  const house = new TempBus();
  const bus = house.open();
  const { conversationId } = await putTask(bus, { ...TASK, taskId: 't-10' });
  house.insert({ conversationId, message: query('what is t-1?', { query_id: 'other' }) });
  house.insert({ conversationId, message: '{"query_id":"t-1", cut off' });
  expect(await putTask(bus, TASK)).toMatchObject({ did: 'put' });
});

test('programs that put a task at the same moment put it once', async () => {
  const house = new TempBus();
  const buses = Array.from({ length: 4 }, () => house.open());
  const put = await Promise.all(buses.map((bus) => putTask(bus, TASK)));
  expect(put.map(({ did }) => did).sort()).toEqual(['known', 'known', 'known', 'put']);
  expect(house.rows()).toHaveLength(1);
});

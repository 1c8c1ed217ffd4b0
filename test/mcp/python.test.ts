import { join } from 'node:path';
import { expect, test } from 'vitest';
import { run } from '../e2e/warmline.js';
import { auditOf, converse, emptyBus, startMcp, startUp } from './client.js';

const PROGRAM = join(import.meta.dirname, 'partner.py');

async function python(db: string, verb: string, ...words: string[]) {
  const { code, stdout, stderr } = await run('python3', PROGRAM, db, verb, ...words);
  expect(stderr.replace(/.*DeprecationWarning[^\n]*\n[^\n]*\n/g, '')).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout);
}

type Seat = { conversation_id: string; session_id: string; token: string };
const seatWords = ({ conversation_id, session_id, token }: Seat) => [
  conversation_id,
  session_id,
  token,
];

test('a Python program and an MCP client talk in a conversation that the program began', async () => {
  const db = await emptyBus();
  const { conversation_id, tokens } = await python(db, 'create');
  const mcp = await startMcp('--db', db);
  const theirs = { conversation_id, session_id: 'a', token: tokens.a };
  const ours = { conversation_id, session_id: 'b', token: tokens.b };
  await python(db, 'send', ...seatWords(theirs), 'Größe of the “queue”?\n');
  const { data } = await mcp.call('check_messages', ours);
  expect(data.messages).toMatchObject([
    {
      from: 'a',
      message: 'Größe of the “queue”?\n',
      metadata: { action_type: 'question', files_involved: ['x.py'] },
    },
  ]);
  await mcp.call('send_to_partner', { ...ours, message: 'Zwölf 🙂', action_type: 'response' });
  await mcp.call('update_my_status', { ...ours, status: 'waiting' });
  expect(await python(db, 'read', ...seatWords(theirs))).toMatchObject([
    { from: 'b', message: 'Zwölf 🙂', metadata: { action_type: 'response', files_involved: [] } },
  ]);
  expect(await python(db, 'read', ...seatWords(theirs))).toEqual([]);
  expect(await python(db, 'status', ...seatWords(theirs))).toEqual({
    status: 'waiting',
    alive: true,
  });
  await python(db, 'alive', ...seatWords(theirs));
  expect((await mcp.call('check_partner_status', ours)).data).toMatchObject({
    status: 'working',
    alive: true,
  });
  for (const { details } of auditOf(db)) expect(JSON.parse(details)).toBeTypeOf('object');
});

test('and in one that the client began, with the queue answering beside them', async () => {
  const db = await emptyBus();
  const mcp = await startMcp('--db', db, '--port', await startUp(db));
  const { a, b } = await converse(mcp);
  await mcp.call('ask_over_bus', { ...a, question: 'Is anybody here?' });
  const [answer] = await python(db, 'read', ...seatWords(a));
  expect(JSON.parse(answer.message)).toMatchObject({ answer: 'fake: Is anybody here?' });
  await python(db, 'send', ...seatWords(a), 'And of me?');
  const { data } = await mcp.call('watch_question', {
    ...a,
    message_id: answer.id + 1,
    wait: true,
  });
  expect(data.answer).toBe('fake: And of me?');
  await python(db, 'send', ...seatWords(b), 'From the other side.');
  const read = await mcp.call('check_messages', a);
  expect(read.text).toContain('From the other side.');
  expect(read.text).toContain('fake: And of me?');
});

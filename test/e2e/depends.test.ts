import { join } from 'node:path';
import { expect, test } from 'vitest';
import { look, makeBus, start, tempDir, warmline } from './warmline.js';

test('questions that depend on others are answered after them, or told why they are not', async () => {
  const dir = tempDir();
  const file = join(dir, 'bus.db');
  await makeBus(file, 0);
  const send = async (question: string, ...words: string[]) => {
    const sent = await warmline('send', question, '--db', file, '--json', ...words);
    expect(sent.stderr).toBe('');
    return JSON.parse(sent.stdout) as { message_id: number; query_id: string };
  };
  const parent = await send('!fake delay=50 one');
  const sick = await send('!fake error=context_missing two');
  const child = await send('three', '--depends-on', `${parent.message_id},${parent.query_id}`);
  const grandchild = await send('four', '--depends-on', String(child.message_id));
  const poor = await send('five', '--depends-on', sick.query_id);
  const poorer = await send('six', '--depends-on', String(poor.message_id));

  const server = await start('serve', '--port', '0', '--engine', 'fake', '--context-root', dir);
  const words = ['--db', file, '--port', String(server.ready.port)];
  expect((await warmline('autopoll', ...words, '--once')).code).toBe(0);

  const { answers } = look(file);
  const order = answers.map(({ inReplyTo }) => inReplyTo);
  const place = (sent: { message_id: number }) => order.indexOf(sent.message_id);
  expect(order).toHaveLength(6);
  expect(place(parent)).toBeLessThan(place(child));
  expect(place(child)).toBeLessThan(place(grandchild));
  const told = (sent: { message_id: number }) =>
    JSON.parse(answers[place(sent)]?.message ?? '') as { answer: string; error?: { code: string } };
  expect(told(grandchild).answer).toBe('fake: four');
  expect(told(poor).error?.code).toBe('parent_failed');
  expect(told(poor).answer).toContain(
    `Error: this question depends on "${sick.query_id}", which got an error answer (context_missing)`,
  );
  expect(told(poorer).answer).toContain(`depends on ${poor.message_id}`);
});

test('an id that is missing in a list of dependencies is a wrong use', async () => {
  const sent = await warmline('send', 'why?', '--db', 'bus.db', '--depends-on', '1,,2');
  expect(sent.code).toBe(2);
  expect(sent.stderr).toContain('message ids or query ids with commas between them');
});

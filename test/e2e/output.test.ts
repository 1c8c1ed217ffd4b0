import { expect, test } from 'vitest';
import { openSqliteBus } from '../../src/bus/index.js';
import { CLI, makeBus, run, tempDir } from './warmline.js';

test('what a command prints reaches the end of a pipe whole, however long it is', async () => {
  const db = `${tempDir()}/bus.db`;
  const [conversationId = ''] = await makeBus(db, 1);
  const bus = openSqliteBus({ file: db });
  const question = 'What? '.repeat(50);
  const message = JSON.stringify({ type: 'query', query_id: 'q', question });
  await Promise.all(
    Array.from({ length: 1000 }, () =>
      bus.put({ conversationId, from: 'a', message, metadata: '{"action_type":"question"}' }),
    ),
  );
  await bus.close();
  const list = `"${process.execPath}" "${CLI}" poll list --db "${db}" --limit 1000 --json`;
  const { stdout } = await run('sh', '-c', `${list} | cat`);
  expect(JSON.parse(stdout).questions).toHaveLength(1000);
});

test('a reader that goes away ends a long output, and is no failure', async () => {
  const { code, stdout, stderr } = await run(
    'bash',
    '-c',
    `set -o pipefail; "${process.execPath}" "${CLI}" init --print | head -1`,
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('Settings of warmline');
});

test('output that a full disk does not take is a failure', async () => {
  const { code, stderr } = await run(
    'sh',
    '-c',
    `"${process.execPath}" "${CLI}" init --print >/dev/full`,
  );
  expect(code).toBe(1);
  expect(stderr).toContain('standard output cannot be written: ENOSPC');
});

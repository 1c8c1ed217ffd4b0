import { expect, test } from 'vitest';
import { start, warmline } from '../support/process.js';

test.each(['SIGTERM', 'SIGINT'] as const)(
  'the command says where it listens, answers as its script says, and ends with 0 on %s',
  async (signal) => {
    const program = start(['fake-model', '--script', 'status=429 reset=60', '--delay-ms', '1']);
    const { host, port, url, pid } = await program.ready();
    expect({ host, url, pid }).toEqual({
      host: '127.0.0.1',
      url: `http://127.0.0.1:${port}`,
      pid: program.pid,
    });
    const messages = [{ role: 'user', content: 'canary' }];
    const body = JSON.stringify({ model: 'm', max_tokens: 1, messages });
    const response = await fetch(`${url}/v1/messages`, { method: 'POST', body });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('60');
    const [line] = await program.says(/^.*"path":.*$/m);
    expect(JSON.parse(line)).toMatchObject({ api: 'anthropic', path: '/v1/messages', status: 429 });
    const { code, stdout, stderr } = await program.kill(signal);
    expect(code).toBe(0);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(stderr).not.toContain('canary');
  },
);

test('the command ends with 0 although a client waits', async () => {
  const program = start(['fake-model', '--script', 'stall']);
  const { url } = await program.ready();
  const messages = [{ role: 'user', content: '?' }];
  const body = JSON.stringify({ model: 'm', max_tokens: 1, messages, stream: true });
  const response = await fetch(`${url}/v1/messages`, { method: 'POST', body });
  const { code } = await program.kill('SIGTERM');
  expect(code).toBe(0);
  await expect(response.text()).rejects.toThrow();
});

test.each([
  [['--host', '0.0.0.0'], 78, /loopback address only/],
  [['--port', '70000'], 2, /--port/],
  [['--delay-ms', 'soon'], 2, /--delay-ms/],
  [['--script', 'stal'], 2, /--script.*stall/],
])('%j is refused', async (words, code, says) => {
  const ended = await warmline(['fake-model', ...words]);
  expect(ended).toMatchObject({ code, stdout: '' });
  expect(ended.stderr).toMatch(says);
});

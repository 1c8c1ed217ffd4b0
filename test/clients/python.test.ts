import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startServer } from './socket-live.js';

const DIRECTORY = fileURLToPath(new URL('../../clients/python', import.meta.url));

test('the Python client passes its own tests against a real server, none of them skipped', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'warmline-python-'));
  const socketPath = join(directory, 'warmline.sock');
  const open = await startServer({ socketPath });
  const guarded = await startServer({ token: 'open sesame' });
  try {
    const child = spawn('python3', ['-W', 'error', '-m', 'unittest'], {
      cwd: DIRECTORY,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        PYTHONDONTWRITEBYTECODE: '1',
        WARMLINE_TEST_PORT: String(open.port),
        WARMLINE_TEST_SOCKET: socketPath,
        WARMLINE_TEST_TOKEN_PORT: String(guarded.port),
        WARMLINE_TEST_TOKEN: 'open sesame',
      },
    });
    const code = new Promise((resolve) => child.on('close', resolve));
    const report = await text(child.stderr);
    expect(await code, report).toBe(0);
    const ran = Number(/^Ran (\d+) tests/m.exec(report)?.[1]);
    expect(ran, report).toBeGreaterThan(20);
    expect(report).toMatch(/^OK$/m);
  } finally {
    await open.close();
    await guarded.close();
    await rm(directory, { recursive: true });
  }
});

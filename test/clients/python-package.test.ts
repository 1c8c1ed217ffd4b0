/** The Python package, installed as a user would, against real servers and buses. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LiveServer, startServer } from './socket-live.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGE = join(ROOT, 'clients/python');
const INSTALL_MS = 180_000;

let directory: string;
let python: string;
let server: LiveServer;

/** Runs a program to its end. @returns what it printed @throws when it fails */
async function run(command: string, words: readonly string[], cwd = directory): Promise<string> {
  const child = spawn(command, words, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      // Whatever this needs from the network would fail here.
      PIP_NO_INDEX: '1',
      PIP_FIND_LINKS: '',
      PYTHONDONTWRITEBYTECODE: '1',
      WARMLINE_TEST_CLI: join(ROOT, 'dist/clients/cli/main.js'),
      WARMLINE_TEST_PORT: String(server.port),
    },
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  expect(await ended, `${command} ${words.join(' ')}\n${out}${errors}`).toBe(0);
  return out + errors;
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'warmline-python-'));
  server = await startServer();
  // Without pip or venv this fails, and Python says which package has them (Debian: python3-venv).
  await run('python3', ['-m', 'venv', 'venv']);
  python = join(directory, 'venv/bin/python');
  await run(python, ['-m', 'pip', 'install', PACKAGE]);
}, INSTALL_MS);

afterAll(async () => {
  await server.close();
  await rm(directory, { recursive: true });
});

async function runTests(name: string, atLeast: number): Promise<void> {
  const report = await run(
    python,
    ['-W', 'error', '-m', 'unittest', '-v', name],
    join(PACKAGE, 'tests'),
  );
  expect(Number(/^Ran (\d+) tests/m.exec(report)?.[1]), report).toBeGreaterThanOrEqual(atLeast);
  expect(report).toMatch(/^OK$/m);
}

test('questions over the socket outlive restarts, and asyncio has a hundred at once', async () => {
  await runTests('test_asking', 11);
}, 120_000);

test('questions over the bus are sent, waited for and watched', async () => {
  await runTests('test_bus', 19);
}, 120_000);

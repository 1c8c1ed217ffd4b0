/** The Python package, installed as a user would, against real servers and buses. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { start } from '../e2e/warmline.js';
import { type LiveServer, startServer } from './socket-live.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGE = join(ROOT, 'clients/python');
const LONGEST_MS = 120_000;

let directory: string;
let python: string;
let server: LiveServer;

/** Runs a program to its end. @returns what it printed @throws when it fails */
async function run(command: string, words: readonly string[], cwd = directory): Promise<string> {
  const child = spawn(command, words, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Interrupted, it ends what it started.
    timeout: LONGEST_MS,
    killSignal: 'SIGINT',
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
}, 2 * LONGEST_MS);

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

test(
  'questions over the socket outlive restarts, and asyncio has a hundred at once',
  async () => {
    await runTests('test_asking', 16);
  },
  2 * LONGEST_MS,
);

test(
  'questions over the bus are sent, waited for and watched',
  async () => {
    await runTests('test_bus', 21);
  },
  2 * LONGEST_MS,
);

/** The examples of the page, as they stand there. */
function examples(): string[] {
  const page = readFileSync(join(ROOT, 'docs/python.md'), 'utf8');
  return [...page.matchAll(/^```python\n([\s\S]*?)^```/gm)].map(([, code = '']) => code);
}

test(
  'every example of the Python page does what it says',
  async () => {
    const shown = examples();
    expect(shown).toHaveLength(8);
    const bus = ['--db', join(directory, 'bus.db'), '--create'];
    const contexts = ['--context-root', join(ROOT, 'test/fixtures')];
    const { ready } = await start('up', ...bus, ...contexts, '--port', '0', '--http-port', 'off');
    const said: string[] = [];
    for (const example of shown) {
      const code = example.replaceAll('9999', String(ready.port));
      said.push(await run(python, ['-W', 'error', '-c', code]));
    }
    // Each prints passages of the document, and where they stand, or goes on to the next question.
    expect(said[0]).toContain('listens on port 9999');
    expect(said[0]).toContain("['SESSION-RESUME.md:");
    for (const [at, each] of said.entries()) {
      expect(each, shown[at]).toMatch(/bus|step|bridge/);
      expect(each, shown[at]).not.toMatch(/too long|go on later|cannot reach|with an error|_\w+: /);
    }
    expect(said.at(-1)?.match(/^\d+ complete 1$/gm)).toHaveLength(5);
  },
  2 * LONGEST_MS,
);

test('the package has the version of the rest', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const print = 'import importlib.metadata as m; print(m.version("warmline"))';
  expect((await run(python, ['-c', print])).trim()).toBe(version);
});

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
let compiled: string;

/** A process of its own can be killed by its watchdog; it runs what the compiler makes of it. */
beforeAll(() => {
  compiled = mkdtempSync(join(tmpdir(), 'warmline-watchdog-'));
  writeFileSync(join(compiled, 'package.json'), '{"type":"module"}');
  const source = join(root, 'src/watchdog/index.ts');
  const options = ['--rootDir', root, '--outDir', compiled, '--module', 'nodenext', '--noCheck'];
  const tsc = join(root, 'node_modules/.bin/tsc');
  execFileSync(tsc, ['--ignoreConfig', source, ...options, '--target', 'es2023', '--skipLibCheck']);
}, 120_000);

afterAll(() => rmSync(compiled, { recursive: true }));

interface Watched {
  readonly child: ChildProcess;
  /** Resolves with the signal that ended the process, or its exit code. */
  readonly end: Promise<string | number>;
  stderr(): string;
  says(word: string): Promise<void>;
}

function start(body: string, stallMs = 300): Watched {
  const script = `
    import { startWatchdog } from ${JSON.stringify(join(compiled, 'src/watchdog/index.js'))};
    const block = (ms) => { const end = performance.now() + ms; while (performance.now() < end); };
    const stop = startWatchdog({ stallMs: ${stallMs}, log: console });
    ${body}
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  const end = once(child, 'close').then(([code, signal]) => signal ?? code);
  let stdout = '';
  const says = async (word: string) => {
    while (!stdout.includes(word)) stdout += (await once(child.stdout, 'data'))[0];
  };
  return { child, end, says, stderr: () => stderr };
}

test('a process whose event loop stands still is killed and says why in one line', async () => {
  const { end, stderr } = start('setTimeout(() => { for (;;); }, 200);');
  expect(await end).toBe('SIGKILL');
  expect(stderr().split('\n')).toHaveLength(2);
  expect(JSON.parse(stderr())).toMatchObject({
    level: 60,
    msg: expect.stringContaining('event loop has stood still for 300 ms'),
  });
});

test('a process that turns is left alone, and the watchdog does not keep it alive', async () => {
  const { end } = start(
    'let n = 0; const t = setInterval(() => { block(30); if (++n === 60) clearInterval(t); }, 5);',
    1000,
  );
  expect(await end).toBe(0);
});

test('a process that stops its watchdog may stand still', async () => {
  const { end } = start('await stop(); block(1000);');
  expect(await end).toBe(0);
});

test('a process that was suspended for longer than the stall goes on', async () => {
  const { child, end, says } = start(
    `
    setInterval(() => process.stdout.write('turn '), 10);
    process.stdin.once('data', () => { process.stdout.write('resumed'); process.exit(7); });
    process.stdout.write('ready');
  `,
    600,
  );
  await says('ready');
  child.kill('SIGSTOP');
  const waiter = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 1500)']);
  await once(waiter, 'exit');
  child.kill('SIGCONT');
  // Long enough awake for the watchdog to have judged the pause, then a word that must be answered.
  await says('turn turn turn');
  child.stdin?.write('x');
  await says('resumed');
  expect(await end).toBe(7);
});

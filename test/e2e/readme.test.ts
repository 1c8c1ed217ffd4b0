import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { blocksOf, Desk, showing, stepsOf } from '../support/pages.js';
import { CLI, ROOT, run } from './warmline.js';

const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The demo on a free port, from its first line to the one that says it goes on. */
async function startDemo(): Promise<{ port: string; stop: () => Promise<number | null> }> {
  const child = spawn(process.execPath, [CLI, 'demo', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const exited = once(child, 'exit');
  let said = '';
  for await (const chunk of child.stdout) {
    said += chunk;
    if (said.includes('until Ctrl-C')) break;
  }
  return {
    port: /127\.0\.0\.1:(\d+)/.exec(said)?.[1] ?? '',
    stop: async () => {
      child.kill('SIGINT');
      return (await exited)[0];
    },
  };
}

test('what the README shows is what happens', async () => {
  const transcripts = blocksOf('README.md').filter(({ language }) => language === 'console');
  const steps = transcripts.flatMap(({ code }) => stepsOf(code));
  expect(steps.length).toBeGreaterThanOrEqual(5);
  const { port, stop } = await startDemo();
  for (const { command, shown } of steps) {
    const words = command
      .replace('localhost 9999', `localhost ${port}`)
      .replace(/^warmline (.*)$/, `node dist/clients/cli/main.js $1 --port ${port}`);
    const { code, stdout } = await run('bash', '-c', words);
    expect({ command, code }).toEqual({ command, code: 0 });
    expect(stdout, command).toMatch(showing(shown));
  }
  const desk = new Desk({ bridge: Number(port), http: 0 });
  const said = await desk.follow('README.md', ['ts', 'python']);
  expect(said.ts).toMatch(/ABOUT-WARMLINE\.md:\d/);
  expect(said.python).toMatch(/ABOUT-WARMLINE\.md:\d/);
  expect(await stop()).toBe(0);
});

test('the two commands of the README are scripts of the package', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(README).toContain('npm run demo\n');
  expect(scripts.demo).toMatch(/npm ci .*build && node dist\/clients\/cli\/main\.js demo$/);
  expect(README).toContain('npm cit\n');
  expect(scripts.test).toContain('vitest run');
});

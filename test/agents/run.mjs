/**
 * `npm run test:agents`: the tests with real model programs against the fake model.
 *
 * The programs are large and not ours to ship, so they are fetched from the configured registry
 * into `.cache/agents`, each into a folder of its own, once. What cannot be had within its time is
 * named with the reason, and the tests that need it are skipped.
 *
 *     npm run test:agents                 fetch what is missing, then test
 *     npm run test:agents -- --fetch      only fetch
 *     npm run test:agents -- claude acp   only the test files whose names hold these words
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, '../..');
const CACHE = join(ROOT, '.cache/agents');
const FETCH_MS = 180_000;

const agents = JSON.parse(readFileSync(join(HERE, 'packages.json'), 'utf8'));
const words = process.argv.slice(2);

for (const [name, agent] of Object.entries(agents)) await fetchAgent(name, agent);
if (!words.includes('--fetch')) {
  const args = ['vitest', 'run', '--config', 'vitest.agents.config.ts', ...words];
  process.exitCode = (await run('npx', args, undefined)).code ?? 1;
}

async function fetchAgent(name, agent) {
  const folder = join(CACHE, name);
  const reason = join(CACHE, `${name}.missing`);
  rmSync(reason, { force: true });
  if (installed(folder, agent)) return;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  console.log(`fetching ${agent.package}@${agent.version} (${agent.why}) …`);
  const args = [
    ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts'],
    ['--loglevel=error', ...(agent.args ?? []), `${agent.package}@${agent.version}`],
  ].flat();
  const { code, said } = await run('npm', args, FETCH_MS);
  if (code === 0 && installed(folder, agent)) return;
  const why = code === null ? `not fetched within ${FETCH_MS / 1000} s` : lastLine(said);
  rmSync(folder, { recursive: true, force: true });
  writeFileSync(reason, why);
  console.log(`cannot have ${agent.package}@${agent.version}: ${why}; its tests are skipped`);
}

function installed(folder, agent) {
  const manifest = join(folder, 'node_modules', agent.package, 'package.json');
  return (
    existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === agent.version
  );
}

/** Without a time limit the program writes straight to this terminal. */
function run(command, args, limitMs) {
  return new Promise((done) => {
    const stdio = limitMs === undefined ? 'inherit' : ['ignore', 'pipe', 'pipe'];
    const child = spawn(command, args, { cwd: ROOT, stdio });
    const timer = limitMs === undefined ? undefined : setTimeout(() => child.kill(), limitMs);
    let said = '';
    const keep = (chunk) => {
      said = (said + chunk).slice(-4000);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    child.on('error', (error) => keep(`\n${error.message}`));
    child.on('close', (code) => {
      clearTimeout(timer);
      done({ code, said });
    });
  });
}

function lastLine(text) {
  return text.trim().split('\n').at(-1) || 'npm gave no reason';
}

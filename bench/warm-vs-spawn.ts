/**
 * What a question costs beside the model: the real `claude` kept warm, and the same one started for
 * each question, both in front of a model that answers at once.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClaudeEngine } from '../src/engines/claude/index.js';
import { startFakeModel } from '../src/fake-model/index.js';
import { createLogger } from '../src/log.js';
import { type Figure, median } from './figures.js';

const PACKAGES = fileURLToPath(
  new URL('../../.cache/agents/claude/node_modules/@anthropic-ai', import.meta.url),
);
const SDK = join(PACKAGES, 'claude-agent-sdk/sdk.mjs');
const CLAUDE = join(PACKAGES, `claude-agent-sdk-${process.platform}-${process.arch}/claude`);
const KEY = 'sk-ant-no-key-at-all';
const QUESTION = 'What colour is the sky?';
/** Where CPU time of others is told, in ticks of 10 ms. */
const TICK_MS = 10;
const TARGET = 0.1;
/** Questions until a process has compiled what it needs for one. */
const WARM_UP = 20;

interface Cost {
  readonly wallMs: readonly number[];
  /** Of one question, that of this process and the model in it included. */
  readonly cpuMs: number;
}

export async function warmVersusSpawn(
  dir: string,
  { warm, spawned }: { readonly warm: number; readonly spawned: number },
): Promise<Figure[]> {
  if (!existsSync(CLAUDE) || !existsSync('/proc/self/stat')) {
    console.error('no claude to measure with, or no /proc: npm run test:agents -- --fetch');
    return [];
  }
  const home = join(dir, 'claude-home');
  await mkdir(home);
  const model = await startFakeModel();
  try {
    const env = { PATH: process.env.PATH ?? '', HOME: home };
    const plain = await measureSpawned(spawned, model.url, env, []);
    const lean = await measureSpawned(spawned, model.url, env, LEAN);
    const kept = await measureWarm(warm, model.url, env);
    return [...figures('claude -p', plain, kept), ...figures('as lean as it starts', lean, kept)];
  } finally {
    await model.close();
  }
}

type Env = Readonly<Record<string, string>>;

/** As lean as it starts: without tools, settings and a session on disk. */
const LEAN = [
  ['--tools', ''],
  ['--setting-sources', ''],
  ['--strict-mcp-config', '--no-session-persistence'],
  ['--system-prompt', 'Answer in one word.'],
].flat();

async function measureSpawned(
  count: number,
  url: string,
  from: Env,
  flags: readonly string[],
): Promise<Cost> {
  const quiet = { CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1' };
  const env = { ...from, ...quiet, ANTHROPIC_BASE_URL: url, ANTHROPIC_API_KEY: KEY };
  const wallMs: number[] = [];
  const ask = async () => {
    const startedMs = performance.now();
    const child = spawn(CLAUDE, ['-p', QUESTION, ...flags], {
      env,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`claude -p: exit code ${code}`);
    wallMs.push(performance.now() - startedMs);
  };
  // The first start reads the program from disk.
  await ask();
  wallMs.length = 0;
  const before = ownCpuMs() + endedChildrenCpuMs();
  for (let number = 0; number < count; number += 1) await ask();
  return { wallMs, cpuMs: (ownCpuMs() + endedChildrenCpuMs() - before) / count };
}

async function measureWarm(count: number, baseUrl: string, env: Env): Promise<Cost> {
  const log = createLogger({ level: 'warn' });
  const places = { env, baseUrl, key: KEY, sdk: SDK, claudePath: CLAUDE };
  const engine = await createClaudeEngine({ name: 'claude', log, ...places });
  const signal = new AbortController().signal;
  const session = await engine.open({ context: undefined, sticky: undefined, signal });
  const wallMs: number[] = [];
  const ask = async () => {
    const startedMs = performance.now();
    await session.turn({ question: QUESTION, context: undefined }, () => {});
    wallMs.push(performance.now() - startedMs);
    // Nobody waits for this, so it is no part of the wall time; it is of the CPU time.
    await session.reset();
  };
  try {
    for (let number = 0; number < WARM_UP; number += 1) await ask();
    wallMs.length = 0;
    const cpu = () => ownCpuMs() + session.pids.reduce((sum, pid) => sum + cpuMsOf(pid), 0);
    const before = cpu();
    for (let number = 0; number < count; number += 1) await ask();
    return { wallMs, cpuMs: (cpu() - before) / count };
  } finally {
    await session.close();
    await engine.close();
  }
}

function figures(how: string, cold: Cost, kept: Cost): Figure[] {
  const figure = (name: string, warmMs: number, coldMs: number): Figure => ({
    name,
    value: `${warmMs.toFixed(1)} ms`,
    baseline: `${how}: ${coldMs.toFixed(0)} ms`,
    ratio: warmMs / coldMs,
    target: `<= ${TARGET}`,
    reached: warmMs / coldMs <= TARGET,
  });
  return [
    figure('warm claude, wall, median', median(kept.wallMs), median(cold.wallMs)),
    figure('warm claude, CPU, mean', kept.cpuMs, cold.cpuMs),
  ];
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** utime and stime, fields 14 and 15 of proc(5). */
function cpuMsOf(pid: number): number {
  return ticks(`/proc/${pid}/stat`, 14, 15) * TICK_MS;
}

/** cutime and cstime, fields 16 and 17: of children that ended and were waited for. */
function endedChildrenCpuMs(): number {
  return ticks('/proc/self/stat', 16, 17) * TICK_MS;
}

function ticks(file: string, ...fields: readonly number[]): number {
  const stat = readFileSync(file, 'utf8');
  // The second field is a name in brackets that may hold blanks; what follows it begins with field 3.
  const rest = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.reduce((sum, field) => sum + Number(rest[field - 3]), 0);
}

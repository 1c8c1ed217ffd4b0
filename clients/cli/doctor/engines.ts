/** The engines a bridge that starts with these settings would have: each is started once to see. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type EngineSettings, environment, type Settings } from '../../../src/config/index.js';
import { createLogger } from '../../../src/log.js';
import { tryEngine } from '../../../src/serve.js';
import { duration } from '../output.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** A program read from a cold disk takes a while; nobody waits longer for a doctor. */
const LONGEST_START_MS = 30_000;

const WARNING = 40;

export async function checkEngines(settings: Settings): Promise<Finding[]> {
  const findings: Finding[] = [];
  // One after the other: what they start are large programs.
  for (const engine of settings.engines) {
    findings.push(...(await checkEngine(engine, engine.name === settings.engine.engine)));
  }
  return findings;
}

async function checkEngine(engine: EngineSettings, isUsual: boolean): Promise<Finding[]> {
  const { name, kind } = engine;
  const who = `${name}${name === kind ? '' : `, of kind ${kind}`}${isUsual ? ', the default' : ''}`;
  if (kind === 'extract' || kind === 'fake') {
    return [ok('engine', `${who}: needs no key and no network`)];
  }
  const heard = listen();
  const limitMs = Math.min(engine.sessionOpenMs, LONGEST_START_MS);
  const signal = AbortSignal.timeout(limitMs);
  try {
    const { openMs, status } = await tryEngine(engine, heard.log, signal);
    const found = `${who}: a session opens within ${duration(openMs)}${heard.program()}`;
    const verdict =
      status.auth === 'failed'
        ? fail('engine', `${who}: its login is refused`, 'log in again, or give it a valid key')
        : ok('engine', found);
    return [verdict, ...heard.warnings().map((text) => warn('engine', `${name}: ${text}`, ADVICE))];
  } catch (error) {
    const why = signal.aborted
      ? `no session within ${duration(limitMs)}`
      : (error as Error).message;
    return [fail('engine', `${who}: ${why}`, fixFor(engine))];
  }
}

const ADVICE = 'see docs/engines for what this means';

function fixFor({ kind, baseUrl, model }: EngineSettings): string {
  switch (kind) {
    case 'claude':
      return 'install Claude Code, run: npm install --global @anthropic-ai/claude-agent-sdk, and log in by running: claude';
    case 'acp':
      return 'run the command by hand to see whether the agent starts and is logged in';
    default:
      return `check ${baseUrl === undefined ? 'the key' : `that ${baseUrl} answers, and the key`}, and that there is a model ${model}`;
  }
}

/** What an engine says for itself while it starts. */
function listen() {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return {
    log: createLogger({ level: 'info', pretty: false, destination }),
    program: () => {
      const said = lines.find(({ program }) => typeof program === 'string');
      if (said === undefined) return '';
      const version = said.version === undefined ? '' : `, version ${said.version}`;
      return ` (${said.program}${version})`;
    },
    warnings: () =>
      lines.filter(({ level }) => Number(level) >= WARNING).map(({ msg }) => String(msg)),
  };
}

/** What has the kernel end the processes of an engine with a bridge that is killed. */
export function checkGuard(engines: readonly { readonly kind?: unknown }[]): Finding[] {
  const startsPrograms = engines.some(({ kind }) => kind === 'claude' || kind === 'acp');
  if (!startsPrograms || process.platform !== 'linux') return [];
  const directories = (environment().PATH ?? '').split(delimiter);
  if (directories.some((directory) => isProgram(join(directory, 'setpriv')))) {
    return [ok('setpriv', 'processes of engines end with a bridge that is killed')];
  }
  return [
    warn(
      'setpriv',
      'not found: processes of engines may outlive a bridge that is killed for some time',
      'install util-linux',
    ),
  ];
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

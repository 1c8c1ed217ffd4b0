/** warmline beside the Agent SDK, as a person has both who installed them: the built `dist`. */
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { connect } from '../../clients/socket/index.js';
import { Program } from '../support/process.js';
import { AGENTS_DIR } from './agents.js';
import { atEnd, CLAUDE, tempDir } from './claude.js';

const ROOT = resolve(import.meta.dirname, '../..');
/** Its own dependencies are found further up, the SDK in the `node_modules` between. */
const HOME = join(AGENTS_DIR, 'claude', 'warmline');

export function install(): void {
  const built = join(ROOT, 'dist');
  if (!existsSync(built)) throw new Error('build first: npm run build');
  rmSync(HOME, { recursive: true, force: true });
  cpSync(built, join(HOME, 'dist'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(HOME, 'package.json'));
}

export interface Surroundings {
  readonly modelUrl: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts `warmline` with the claude engine; its home is a directory of its own. */
export function startWarmline(words: readonly string[], { modelUrl, env }: Surroundings): Program {
  const cli = join(HOME, 'dist/clients/cli/main.js');
  const home = tempDir();
  const engine = [
    '--engine',
    'claude',
    '--claude-path',
    CLAUDE?.path ?? '',
    '--base-url',
    modelUrl,
  ];
  const program = new Program(process.execPath, [cli, ...words, ...engine], {
    cwd: tempDir(),
    env: { HOME: home, XDG_STATE_HOME: home, ANTHROPIC_API_KEY: 'sk-ant-fake-key', ...env },
  });
  atEnd(() => program.kill('SIGKILL'));
  return program;
}

export async function connectTo(port: number) {
  const client = await connect({ port, reconnect: false });
  atEnd(() => client.close());
  return client;
}

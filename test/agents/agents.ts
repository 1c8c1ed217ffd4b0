/** Where the model programs are that `npm run test:agents` fetched, or why they are not there. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import packages from './packages.json' with { type: 'json' };

export type AgentName = keyof typeof packages;

/** `AGENTS_DIR=…` tests other versions, laid out alike. */
export const AGENTS_DIR =
  process.env.AGENTS_DIR ?? resolve(import.meta.dirname, '../../.cache/agents');

export interface Agent {
  readonly version: string;
  /** The folder of the package. */
  readonly dir: string;
  /** The `node_modules` it lies in. */
  readonly modules: string;
}

/** The fetched program; undefined, and the reason printed, where the registry did not give it. */
export function findAgent(name: AgentName): Agent | undefined {
  const wanted = packages[name];
  const modules = join(AGENTS_DIR, name, 'node_modules');
  const dir = join(modules, wanted.package);
  if (existsSync(join(dir, 'package.json'))) return { version: wanted.version, dir, modules };
  const note = join(AGENTS_DIR, `${name}.missing`);
  const why = existsSync(note) ? readFileSync(note, 'utf8') : 'run npm run test:agents';
  console.warn(`skipped: ${wanted.package} is not here (${why})`);
  return undefined;
}

const platform = `${process.platform}-${process.arch}`;

/** The SDK, as a module to import, and its own `claude`. */
export function findClaude(): { readonly sdk: string; readonly path: string } | undefined {
  const agent = findAgent('claude');
  if (agent === undefined) return undefined;
  const own = join(agent.modules, `@anthropic-ai/claude-agent-sdk-${platform}`, 'claude');
  return { sdk: join(agent.dir, 'sdk.mjs'), path: own };
}

/** A `claude` that ignores what keeps a question from reading files. */
export function findOldClaude(): string | undefined {
  const agent = findAgent('old-claude');
  if (agent === undefined) return undefined;
  return join(agent.modules, `@anthropic-ai/claude-code-${platform}`, 'claude');
}

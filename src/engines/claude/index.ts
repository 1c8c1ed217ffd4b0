/** The engine `claude`: the user's own Claude Code, driven by the Agent SDK and kept warm. */
import { join } from 'node:path';
import type { Log } from '../../log.js';
import { cleanEnvironment } from '../../processes/index.js';
import type { Engine } from '../engine.js';
import { createGrounder, DEFAULT_PROMPT_BYTES } from '../grounding/index.js';
import { Conversations } from './conversations.js';
import { ClaudeEngine } from './engine.js';
import { claudeVariables } from './environment.js';
import { checkClaude, locateClaude } from './executable.js';
import { loadSdk, locateSdk, SDK_PACKAGE } from './sdk.js';
import { Workplace } from './workplace.js';

export interface ClaudeOptions {
  /** The engine's name in the configuration. */
  readonly name: string;
  /** A model or an alias of one, as `claude --model` takes it; by default what `claude` chooses. */
  readonly model?: string | undefined;
  /** Largest context file that is sent whole, in bytes; of a larger one, passages. */
  readonly maxContextBytes?: number | undefined;
  /** Where the API is; by default what the environment says, else Anthropic's. */
  readonly baseUrl?: string | undefined;
  /** An API key; by default the login of the environment or of `claude` itself. */
  readonly key?: string | undefined;
  /** The environment of which a process sees what it needs. */
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  /** The `claude` to drive; by default the one on PATH, else the SDK's own. */
  readonly claudePath?: string | undefined;
  /** Where sticky conversations are remembered across restarts; by default they are not. */
  readonly stateDir?: string | undefined;
  /** How long the API may take to respond, in milliseconds. */
  readonly apiTimeoutMs?: number | undefined;
  /** The SDK, as a package name or the path of its module file. */
  readonly sdk?: string | undefined;
}

/** A little less than the clocks of a turn give the first byte: the API's own error says more. */
const API_TIMEOUT_MS = 110_000;

/**
 * Finds the SDK and a `claude` that may be driven; no session is opened yet.
 * @throws ConfigError when one of them is missing or too old, or the state directory cannot be used
 */
export async function createClaudeEngine(options: ClaudeOptions): Promise<Engine> {
  const { name, model, key, baseUrl, log } = options;
  const sdkFile = locateSdk(options.sdk ?? SDK_PACKAGE);
  const program = locateClaude(options.claudePath, options.env.PATH, sdkFile);
  const apiTimeoutMs = options.apiTimeoutMs ?? API_TIMEOUT_MS;
  const env = cleanEnvironment(
    options.env,
    claudeVariables(options.env, { key, baseUrl, apiTimeoutMs }),
  );
  const [version, sdk] = await Promise.all([checkClaude(program, env), loadSdk(sdkFile)]);
  log.info({ engine: name, program, version }, 'claude found');
  const { stateDir } = options;
  const home = stateDir === undefined ? undefined : homeIn(stateDir, name);
  const workplace = await Workplace.make(home);
  const remembered = home === undefined ? undefined : join(home, 'conversations.json');
  return new ClaudeEngine({
    name,
    model,
    sdk,
    program,
    env,
    workplace,
    grounder: createGrounder({ maxContextBytes: options.maxContextBytes ?? DEFAULT_PROMPT_BYTES }),
    conversations: new Conversations(remembered, log),
    secrets: secretsIn(env),
    log,
  });
}

function homeIn(stateDir: string, name: string): string {
  return join(stateDir, `claude-${encodeURIComponent(name)}`);
}

function secretsIn(env: Readonly<Record<string, string>>): string[] {
  const names = ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN'];
  return names.flatMap((name) => env[name] ?? []);
}

/**
 * The part of `@anthropic-ai/claude-agent-sdk` that is used, as types of our own: the SDK is an
 * optional peer, not there when warmline is compiled and loaded only when this engine is
 * configured. Names and meanings are those of its `sdk.d.ts`, version 0.3.329.
 */
import type { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigError } from '../../errors.js';

export interface UserMessage {
  readonly type: 'user';
  readonly message: { readonly role: 'user'; readonly content: string };
  readonly parent_tool_use_id: null;
  /** Echoed as `user_message_uuid` by the result that answers it. */
  readonly uuid: string;
  /** The text is delivered as written: no `@path` is read, no `/command` runs (CLI >= 2.1.248). */
  readonly client_composed?: true;
}

/** What the SDK wants of a process it did not start itself. */
export interface SpawnedProcess extends EventEmitter {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly killed: boolean;
  readonly exitCode: number | null;
  readonly signalCode: NodeJS.Signals | null;
  kill(signal: NodeJS.Signals): boolean;
}

export interface SpawnRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface QueryOptions {
  readonly pathToClaudeCodeExecutable: string;
  readonly spawnClaudeCodeProcess: (request: SpawnRequest) => SpawnedProcess;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly systemPrompt: string;
  readonly model?: string;
  readonly resume?: string;
  readonly persistSession: boolean;
  readonly tools: readonly string[];
  readonly settingSources: readonly string[];
  readonly settings: { readonly permissions: { readonly deny: readonly string[] } };
  readonly strictMcpConfig: boolean;
  readonly permissionMode: 'dontAsk';
  readonly maxTurns: number;
  readonly includePartialMessages: boolean;
  readonly promptSuggestions: boolean;
}

export interface ContextUsage {
  /** Local estimates of what the conversation holds, system prompt not included. */
  readonly messageBreakdown?: Readonly<Record<string, unknown>>;
}

/** One process: what it says is iterated, what it is told is methods. */
export interface Query extends AsyncIterable<unknown> {
  interrupt(): Promise<unknown>;
  initializationResult(): Promise<unknown>;
  /** `summary` is answered by the process itself, without a call to the API. */
  getContextUsage(options: { readonly detail: 'summary' }): Promise<ContextUsage>;
  close(): void;
}

export interface Sdk {
  query(request: { prompt: AsyncIterable<UserMessage>; options: QueryOptions }): Query;
}

export const SDK_PACKAGE = '@anthropic-ai/claude-agent-sdk';

const INSTALL = `npm install --global ${SDK_PACKAGE}`;

/**
 * Where people install it: beside warmline, in the project that has linked to it, where the server
 * is started, or for everybody, beside the `node` that runs.
 */
function places(): string[] {
  const [, script = ''] = process.argv;
  const everybody = join(dirname(process.execPath), '..', 'lib', 'node_modules');
  return [
    fileURLToPath(import.meta.url),
    resolve(script),
    join(process.cwd(), 'index.js'),
    join(everybody, 'index.js'),
  ];
}

/**
 * @param wanted a package name or the path of a module file
 * @returns the file the SDK would be loaded from
 * @throws ConfigError when it is not installed
 */
export function locateSdk(wanted: string): string {
  let failure: unknown;
  for (const place of places()) {
    try {
      return createRequire(place).resolve(wanted);
    } catch (cause) {
      failure ??= cause;
    }
  }
  throw new ConfigError(
    `the claude engine needs ${wanted}, which is installed neither beside warmline, nor here, nor globally; run: ${INSTALL}`,
    { cause: failure },
  );
}

/** @throws ConfigError when the module is not the SDK */
export async function loadSdk(file: string): Promise<Sdk> {
  const module: unknown = await import(pathToFileURL(file).href);
  if (isSdk(module)) return module;
  throw new ConfigError(`${file} is not the Claude Agent SDK; ${INSTALL}`);
}

function isSdk(module: unknown): module is Sdk {
  return typeof module === 'object' && module !== null && 'query' in module;
}

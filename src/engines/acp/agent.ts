/**
 * One agent process and the conversation with it, from its start to its end.
 *
 * Always true: the agent may see and touch nothing of this machine through us (no file, no
 * terminal, every permission refused), and when `ended` has resolved, no process of it is left.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type ClientConnection,
  client,
  type InitializeResponse,
  methods,
  type NewSessionResponse,
  type PermissionOption,
  PROTOCOL_VERSION,
  type RequestPermissionResponse,
} from '@agentclientprotocol/sdk';
import { fault } from '../../errors.js';
import { type ProcessTree, spawnTree } from '../../processes/index.js';
import { VERSION } from '../../version.js';
import { makeHome, removeHome } from './homes.js';
import { openWire, WireError } from './wire.js';

/** What a process that closed its output is given to end by itself, so that its exit code is known. */
const EXIT_WAIT_MS = 250;

/**
 * Asks for failures as such (see `failureOf`): without it Codex's adapter ends a failed turn as if
 * the text of the error were the answer, and Claude's tries again for minutes without a word.
 * https://github.com/agentclientprotocol/claude-agent-acp/blob/main/docs/air-extensions.md
 */
const FAILURES_AS_SUCH = { jetbrains: { air: { version: 1, capabilities: ['sessionFailure'] } } };

export interface AgentCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Written into the directory it runs in, by name. */
  readonly files: Readonly<Record<string, string>>;
  /** Where the directories agents run in are made. */
  readonly tempDir: string;
}

/** Why an agent is no more, in words. */
export interface AgentEnd {
  readonly reason: string;
  /** They are its own, from its standard error: not fit to be shown as they are. */
  readonly isQuoted: boolean;
}

export class Agent {
  /** Resolves once, when the process and all it started are gone; never rejects. */
  readonly ended: Promise<AgentEnd>;

  readonly #tree: ProcessTree;
  readonly #home: string;
  readonly #connection: ClientConnection;
  #canClose = false;
  #directories = 0;
  #whyEnding: string | undefined;

  /**
   * Starts the process in a directory of its own that holds nothing but `files`.
   * @param hear told the parameters of each update the agent sends, in order
   * @throws WarmlineError `engine_unavailable` when it cannot be started
   */
  static async start(command: AgentCommand, hear: (params: unknown) => void): Promise<Agent> {
    const home = await makeHome(command.tempDir);
    try {
      const { program, args, env, files } = command;
      for (const [name, text] of Object.entries(files)) await writeFile(join(home, name), text);
      return new Agent(spawnTree({ command: program, args, cwd: home, env }), home, hear);
    } catch (error) {
      await removeHome(home);
      throw error;
    }
  }

  private constructor(tree: ProcessTree, home: string, hear: (params: unknown) => void) {
    this.#tree = tree;
    this.#home = home;
    this.#connection = client({ name: 'warmline' })
      .onRequest(methods.client.session.requestPermission, ({ params }) => refuse(params.options))
      .connect(openWire(tree, hear));
    this.ended = this.#untilEnd();
  }

  /** False from the moment nothing can be asked any more. */
  get isReachable(): boolean {
    return !this.#connection.signal.aborted;
  }

  get pids(): readonly number[] {
    return this.#tree.pids;
  }

  memoryBytes(): number | undefined {
    return this.#tree.memoryBytes();
  }

  /** @throws whatever the agent answers, or an error of the connection when it ends */
  async initialize(): Promise<InitializeResponse> {
    const response = await this.#connection.agent.request(methods.agent.initialize, {
      protocolVersion: PROTOCOL_VERSION,
      clientInfo: { name: 'warmline', version: VERSION },
      clientCapabilities: {
        fs: { readTextFile: false, writeTextFile: false },
        terminal: false,
        _meta: FAILURES_AS_SUCH,
      },
    });
    if (response.protocolVersion !== PROTOCOL_VERSION) {
      const theirs = JSON.stringify(response.protocolVersion)?.slice(0, 16);
      throw fault(
        'engine_unavailable',
        `the agent speaks version ${theirs} of the Agent Client Protocol, not ${PROTOCOL_VERSION}; ` +
          'install a version of it that does',
      );
    }
    const { sessionCapabilities } = response.agentCapabilities ?? {};
    this.#canClose = (sessionCapabilities?.close ?? undefined) !== undefined;
    return response;
  }

  /** A conversation in an empty directory of its own, that knows of no other. */
  async newSession(meta: Record<string, unknown> | undefined): Promise<NewSessionResponse> {
    this.#directories += 1;
    const cwd = join(this.#home, String(this.#directories));
    await mkdir(cwd, { mode: 0o700 });
    const response = await this.#connection.agent.request(methods.agent.session.new, {
      cwd,
      mcpServers: [],
      ...(meta === undefined ? {} : { _meta: meta }),
    });
    if (typeof response?.sessionId === 'string') return response;
    throw fault('engine_unavailable', 'the agent opened a session without an id; is it an agent?');
  }

  /** Ends a conversation where the agent can; one it cannot end is not spoken in again. */
  async closeSession(sessionId: string): Promise<void> {
    if (!this.#canClose) return;
    await this.#connection.agent.request(methods.agent.session.close, { sessionId });
  }

  async chooseModel(sessionId: string, configId: string, value: string): Promise<void> {
    const request = { sessionId, configId, value };
    await this.#connection.agent.request(methods.agent.session.setConfigOption, request);
  }

  /** @returns the agent's reply, unchecked */
  prompt(sessionId: string, text: string): Promise<unknown> {
    const prompt = [{ type: 'text' as const, text }];
    return this.#connection.agent.request(methods.agent.session.prompt, { sessionId, prompt });
  }

  cancel(sessionId: string): void {
    const told = this.#connection.agent.notify(methods.agent.session.cancel, { sessionId });
    told.catch(() => {}); // it is gone, and with it what was to be cancelled
  }

  /** Ends it for what it did; `ended` gives that as the reason. */
  fail(reason: string): void {
    this.#whyEnding ??= reason;
    this.#connection.close();
  }

  /** Ends it: SIGTERM, then SIGKILL after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    await this.#tree.kill(graceMs);
    this.#connection.close();
    await this.ended;
  }

  async #untilEnd(): Promise<AgentEnd> {
    await this.#connection.closed;
    if (this.#whyEnding === undefined) {
      await Promise.race([this.#tree.exited, pause(EXIT_WAIT_MS, undefined, { ref: false })]);
    }
    await this.#tree.kill();
    await removeHome(this.#home);
    const { reason: broke } = this.#connection.signal;
    const why = this.#whyEnding ?? (broke instanceof WireError ? broke.message : undefined);
    if (why !== undefined) return { reason: why, isQuoted: false };
    const said = this.#tree.stderrTail().trimEnd().split('\n').at(-1)?.trim() ?? '';
    if (said !== '') return { reason: said, isQuoted: true };
    const { code, signal } = await this.#tree.exited;
    const how = signal === null ? `it exited with code ${code}` : `it was ended by ${signal}`;
    return { reason: how, isQuoted: false };
  }
}

/** Every permission is refused, in the way that lets the agent go on without it. */
function refuse(options: readonly PermissionOption[]): RequestPermissionResponse {
  const no =
    options.find(({ kind }) => kind === 'reject_once') ??
    options.find(({ kind }) => kind === 'reject_always');
  if (no === undefined) return { outcome: { outcome: 'cancelled' } };
  return { outcome: { outcome: 'selected', optionId: no.optionId } };
}

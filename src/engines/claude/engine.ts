/** The user's own `claude`, kept warm through the Claude Agent SDK. */
import { systemClock } from '../../clock.js';
import { fault, WarmlineError } from '../../errors.js';
import type { Log } from '../../log.js';
import { type ProcessTree, spawnTree } from '../../processes/index.js';
import type { Engine, EngineSession, EngineStatus, OpenOptions } from '../engine.js';
import type { Grounder, Grounding } from '../grounding/index.js';
import { Account } from './account.js';
import { Child } from './child.js';
import { Conversations } from './conversations.js';
import { explain, lastLine, showable } from './failures.js';
import { Input } from './input.js';
import { isSignedOut } from './messages.js';
import type { QueryOptions, Sdk, SpawnRequest } from './sdk.js';
import { ClaudeSession } from './session.js';
import type { Workplace } from './workplace.js';

/** From SIGTERM to SIGKILL for a process that keeps a conversation on disk, in milliseconds. */
const KEEPER_GRACE_MS = 500;

/** What `claude` says of a conversation to resume that it does not have (any more). */
const STALE = /No conversation found/i;

interface EngineParts {
  readonly name: string;
  readonly model: string | undefined;
  readonly sdk: Sdk;
  /** The `claude` that is driven, and its version. */
  readonly program: string;
  /** Everything a process sees of the environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly workplace: Workplace;
  readonly grounder: Grounder;
  readonly conversations: Conversations;
  /** What must never be shown. */
  readonly secrets: readonly string[];
  readonly log: Log;
}

export class ClaudeEngine implements Engine {
  readonly name: string;
  readonly binds = 'context';
  readonly resumes = true;

  readonly #parts: EngineParts;
  readonly #account = new Account(systemClock);
  readonly #showable: (text: string) => string;
  #usedModel: string | undefined;

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.#showable = (text) => showable(text, parts.secrets);
  }

  /** The model that was asked for; else the one `claude` chose, once it has told. */
  get model(): string {
    return this.#parts.model ?? this.#usedModel ?? 'claude';
  }

  async open({ context, sticky, signal }: OpenOptions): Promise<EngineSession> {
    signal.throwIfAborted();
    const grounding = await this.#parts.grounder.ground(context);
    if (sticky === undefined) return this.#start(grounding, signal, undefined);
    const { conversations } = this.#parts;
    const id = Conversations.idOf(sticky, context?.path);
    try {
      return await this.#start(grounding, signal, id);
    } catch (thrown) {
      if (!(thrown instanceof StaleConversation)) throw thrown;
      this.#parts.log.info(
        { engine: this.name },
        'an earlier conversation is gone; a new one began',
      );
      conversations.drop(id);
      return await this.#start(grounding, signal, id);
    }
  }

  status(): EngineStatus {
    return this.#account.status();
  }

  async close(): Promise<void> {
    await this.#parts.conversations.close();
    await this.#parts.workplace.leave();
  }

  /** @param keep the id under which the conversation is kept; undefined forgets it after each turn */
  async #start(
    grounding: Grounding,
    signal: AbortSignal,
    keep: string | undefined,
  ): Promise<EngineSession> {
    await this.#parts.workplace.ready();
    signal.throwIfAborted();
    const resume = keep === undefined ? undefined : this.#parts.conversations.get(keep);
    const { session, query, tree } = this.#launch(grounding, keep, resume);
    const leave = () => void session.close();
    signal.addEventListener('abort', leave, { once: true });
    try {
      if (isSignedOut(await query.initializationResult())) throw signedOut();
      // Forgetting nothing proves that this process can forget, before anybody is served by it.
      if (keep === undefined) await session.reset();
      signal.throwIfAborted();
      return session;
    } catch (thrown) {
      await session.close();
      signal.throwIfAborted();
      const complaint = tree.stderrTail();
      if (resume !== undefined && STALE.test(complaint)) throw new StaleConversation();
      // Everybody may read why nothing starts: words about an earlier conversation are kept out.
      const why = this.#cannotStart(thrown, resume === undefined ? complaint : '');
      this.#account.failed(why);
      throw why;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** A process that begins to start, and the session that listens to it. */
  #launch(grounding: Grounding, keep: string | undefined, resume: string | undefined) {
    const { sdk, workplace, conversations } = this.#parts;
    const cwd = workplace.path;
    const input = new Input();
    let tree: ProcessTree | undefined;
    const spawnClaudeCodeProcess = ({ command, args, env }: SpawnRequest) => {
      tree = spawnTree({ command, args, cwd, env: defined(env) });
      return new Child(tree);
    };
    const options = this.#options(grounding, keep !== undefined, resume);
    const query = sdk.query({ prompt: input, options: { ...options, spawnClaudeCodeProcess } });
    if (tree === undefined) throw fault('engine_unavailable', 'the Agent SDK started no claude');
    const session = new ClaudeSession({
      query,
      input,
      tree,
      grounding,
      account: this.#account,
      showable: this.#showable,
      graceMs: keep === undefined ? 0 : KEEPER_GRACE_MS,
      model: (used) => {
        this.#usedModel = used ?? this.#usedModel;
        return this.model;
      },
      answered: (conversation) => {
        if (keep !== undefined) conversations.set(keep, conversation);
      },
    });
    return { session, query, tree: tree as ProcessTree };
  }

  #options(
    grounding: Grounding,
    keeps: boolean,
    resume: string | undefined,
  ): Omit<QueryOptions, 'spawnClaudeCodeProcess'> {
    const { program, workplace, env, model } = this.#parts;
    return {
      pathToClaudeCodeExecutable: program,
      cwd: workplace.path,
      env,
      systemPrompt: grounding.system,
      ...(model === undefined ? {} : { model }),
      ...(resume === undefined ? {} : { resume }),
      persistSession: keeps,
      tools: [],
      settingSources: [],
      settings: { permissions: { deny: ['Read(//**)'] } },
      strictMcpConfig: true,
      permissionMode: 'dontAsk',
      // A model that asks for a tool it does not have is not asked again.
      maxTurns: 1,
      includePartialMessages: true,
      promptSuggestions: false,
    };
  }

  #cannotStart(thrown: unknown, complaint: string): WarmlineError {
    if (thrown instanceof WarmlineError && thrown.code !== 'engine_error') return thrown;
    const said = lastLine(complaint) || toSay(thrown);
    return fault('engine_unavailable', `claude cannot start: ${this.#showable(said)}`, {
      cause: thrown,
    });
  }
}

/** The conversation to resume is not there: a new one may begin. */
class StaleConversation extends Error {}

function signedOut(): WarmlineError {
  return explain({ kind: 'authentication_failed', said: 'it is not signed in' });
}

function toSay(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

function defined(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(env).filter((entry): entry is [string, string] => {
    return entry[1] !== undefined;
  });
  return Object.fromEntries(entries);
}

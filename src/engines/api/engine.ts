/** What the engines for model APIs have in common: everything but the API. */
import { LRUCache } from 'lru-cache';
import { type Clock, systemClock } from '../../clock.js';
import type { ContextFile } from '../../context/index.js';
import { ConfigError, fault } from '../../errors.js';
import type { Log } from '../../log.js';
import type { Engine, EngineSession, OpenOptions } from '../engine.js';
import { createGrounder } from '../grounding/index.js';
import { Connection } from './connection.js';
import type { ConversationLimits } from './conversation.js';
import type { Service } from './failure.js';
import type { ConnectApi } from './model-api.js';
import { ApiSession } from './session.js';
import { Standing } from './standing.js';

export interface ApiEngineOptions {
  /** Name of the engine, as configured. */
  readonly name: string;
  /** The model that answers, as its server calls it. */
  readonly model?: string | undefined;
  /** Where the API is, `http://127.0.0.1:11434/v1`. */
  readonly baseUrl?: string | undefined;
  /** Never logged, and in no error. */
  readonly key?: string | undefined;
  /** Largest context that is part of the prompt as a whole, in bytes. */
  readonly maxContextBytes?: number | undefined;
  /** Longest answer, in tokens. */
  readonly maxOutputTokens?: number | undefined;
  /**
   * Has the provider take in a context before the first question about it. This costs the tokens of
   * the context, so it is off unless asked for.
   */
  readonly prefetch?: boolean | undefined;
  /** Certificates in PEM to trust beside those of Node, for a server that signs its own. */
  readonly ca?: string | undefined;
  readonly conversation?: ConversationLimits | undefined;
  readonly clock?: Clock | undefined;
  readonly log: Log;
}

interface ApiEngineParts {
  readonly options: ApiEngineOptions;
  readonly service: Service;
  readonly maxContextBytes: number;
  /** How long the provider keeps a prompt cached at least, in milliseconds. */
  readonly prefixLivesMs: number;
  readonly connectApi: ConnectApi;
}

/** Contexts whose last prefetch is remembered. */
const MAX_PREFETCHED = 256;

export function createApiEngine(parts: ApiEngineParts): Engine {
  const { options, service, connectApi, prefixLivesMs } = parts;
  if (exposesKey(service)) {
    options.log.warn({ engine: service.engine, url: service.url }, 'the key is sent unencrypted');
  }
  const clock = options.clock ?? systemClock;
  const standing = new Standing(clock);
  const grounder = createGrounder({ maxContextBytes: parts.maxContextBytes });
  const isSecure = service.url.startsWith('https:');
  /** When each context was shown to the provider last, in monotonic milliseconds. */
  const prefetched = new LRUCache<string, number>({ max: MAX_PREFETCHED });

  function connect(): ApiSession {
    const connection = new Connection({ isSecure, ca: options.ca });
    const api = connectApi(connection);
    const { log, conversation } = options;
    return new ApiSession({
      service,
      connection,
      api,
      grounder,
      standing,
      clock,
      log,
      // On one machine a new connection costs less than a poll would.
      reconnects: isSecure,
      conversation,
    });
  }

  async function prefetch(session: ApiSession, context: ContextFile, signal: AbortSignal) {
    const nowMs = clock.monotonicMs();
    const lastMs = prefetched.get(context.identity);
    if (lastMs !== undefined && nowMs - lastMs < prefixLivesMs) return;
    prefetched.set(context.identity, nowMs);
    await session.rehearse(await grounder.ground(context), signal);
  }

  async function open({ context, signal }: OpenOptions): Promise<EngineSession> {
    if (signal.aborted) throw fault('cancelled', 'nobody waits for the session any more');
    const session = connect();
    try {
      await session.greet(signal);
      if (options.prefetch === true && context !== undefined) {
        await prefetch(session, context, signal);
      }
      if (signal.aborted) throw fault('cancelled', 'nobody waits for the session any more');
      return session;
    } catch (thrown) {
      await session.close();
      throw thrown;
    }
  }

  return {
    name: options.name,
    model: service.model,
    // A session can serve any context; to be opened for one is of use only where it is prefetched.
    binds: options.prefetch === true ? 'context' : 'nothing',
    open,
    status: () => standing.status(),
    close: async () => prefetched.clear(),
  };
}

/**
 * Checks what every model API needs.
 * @throws ConfigError
 */
export function serviceOf(options: ApiEngineOptions, officialUrl: string): Service {
  const { name, model, key, baseUrl = officialUrl } = options;
  const url = readUrl(name, baseUrl);
  if (model === undefined || model === '') {
    throw new ConfigError(`engine ${name} needs a model; set one that ${url} has`);
  }
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    throw new ConfigError(`the key of engine ${name} is empty or has characters no key has`);
  }
  if (key === undefined && url === officialUrl) {
    throw new ConfigError(`engine ${name} needs a key for ${url}; set one, or another base URL`);
  }
  return { engine: name, model, url, key };
}

const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/;

/** A key that would cross a network where anyone on the way can read it. */
function exposesKey({ url, key }: Service): boolean {
  const { protocol, hostname } = new URL(url);
  return key !== undefined && protocol === 'http:' && !LOOPBACK.test(hostname);
}

function readUrl(name: string, text: string): string {
  if (!URL.canParse(text) || !/^https?:/i.test(text)) {
    throw new ConfigError(
      `the base URL of engine ${name} is none; one looks like http://host:port/v1`,
    );
  }
  const url = new URL(text);
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new ConfigError(
      `the base URL of engine ${name} holds more than an address; a key has a setting of its own`,
    );
  }
  return url.href.replace(/\/+$/, '');
}

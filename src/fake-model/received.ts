/** The requests a fake model received, as tests and people look at them. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Api, Turn } from './dialect.js';

export interface ReceivedRequest {
  /** Counts from 1. */
  readonly id: number;
  /** `probe`: anything that does not want an answer of the model, such as a list of models. */
  readonly api: Api | 'probe';
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** Keys, tokens and cookies are masked. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as text. */
  readonly raw: string;
  /** The body as JSON, undefined when it is none. */
  readonly body: unknown;
  readonly model: string;
  readonly stream: boolean;
  readonly system: string;
  /** Without system messages. */
  readonly messages: readonly Turn[];
  /** The last text of the user, without the words for the fake model. */
  readonly question: string;
  /** Which connection it came on: those on the same one were kept alive. Counts from 1. */
  readonly connection: number;
  /** HTTP status of the response once it has ended, undefined when there was none. */
  readonly status: number | undefined;
  /** The client went away before its response was whole. */
  readonly aborted: boolean;
  /** Nothing more is sent for it. */
  readonly ended: boolean;
}

export type Receiving = { -readonly [K in keyof ReceivedRequest]: ReceivedRequest[K] };

const MAX_REQUESTS = 1_000;
const MAX_TOTAL_CHARS = 64 * 1024 * 1024;

type Predicate = (request: ReceivedRequest) => boolean;

/** The newest requests; older ones are forgotten beyond a number and a size. */
export class Received {
  readonly #requests: Receiving[] = [];
  readonly #watchers = new Set<() => void>();
  #chars = 0;

  get all(): readonly ReceivedRequest[] {
    return this.#requests;
  }

  add(request: Receiving): void {
    this.#requests.push(request);
    this.#chars += request.raw.length;
    while (this.#requests.length > MAX_REQUESTS || this.#chars > MAX_TOTAL_CHARS) {
      this.#chars -= this.#requests.shift()?.raw.length ?? 0;
    }
    this.changed();
  }

  /** To be called after a change of a request that was added. */
  changed(): void {
    for (const look of [...this.#watchers]) look();
  }

  clear(): void {
    this.#requests.length = 0;
    this.#chars = 0;
  }

  /**
   * The first request, received already or to come, of which the predicate is true; it is asked
   * again whenever the state of a request changes.
   * @throws the reason of the signal, or what the predicate throws
   */
  waitFor(predicate: Predicate, signal?: AbortSignal): Promise<ReceivedRequest> {
    return new Promise((resolve, reject) => {
      const stop = () => {
        this.#watchers.delete(look);
        signal?.removeEventListener('abort', give);
      };
      const give = () => {
        stop();
        reject(signal?.reason);
      };
      const look = () => {
        try {
          const found = this.#requests.find(predicate);
          if (found === undefined) return;
          stop();
          resolve(found);
        } catch (error) {
          stop();
          reject(error);
        }
      };
      if (signal?.aborted === true) return give();
      this.#watchers.add(look);
      signal?.addEventListener('abort', give, { once: true });
      look();
    });
  }
}

const SECRET_HEADER = /authorization|api-?key|cookie|token|secret/;

export function maskedHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      SECRET_HEADER.test(name) ? '[masked]' : [value].flat().join(', '),
    ]),
  );
}

/** Gemini takes its key in the query, too. */
export function maskedPath(path: string): string {
  return path.replace(/([?&](?:key|access_token)=)[^&]*/g, '$1[masked]');
}

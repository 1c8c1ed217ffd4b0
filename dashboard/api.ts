/** Talks to the server that the page came from, and to nobody else. */

/** Kept as long as the tab is open, and only there. */
const TOKEN = 'warmline.token';

export function keepToken(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(TOKEN);
  else sessionStorage.setItem(TOKEN, token);
}

/** The server said no, or could not be reached. */
export class ApiError extends Error {
  /** 0 when there was no answer. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface Ask {
  readonly signal?: AbortSignal | undefined;
  /** Makes it a POST. */
  readonly body?: object | undefined;
  /** `POST` without a body. */
  readonly act?: boolean;
}

/** A read that takes longer than this has failed, in milliseconds. */
const READ_WITHIN_MS = 15_000;

/** @throws ApiError, or what aborted it */
export async function call<T>(path: string, ask: Ask = {}): Promise<T> {
  const deadline = AbortSignal.timeout(READ_WITHIN_MS);
  const signal = ask.signal === undefined ? deadline : AbortSignal.any([ask.signal, deadline]);
  const reply = await open(path, { ...ask, signal });
  return (await reply.json()) as T;
}

/** The reply once its headers are there. @throws ApiError */
export async function open(path: string, { signal, body, act }: Ask = {}): Promise<Response> {
  const token = sessionStorage.getItem(TOKEN);
  const init: RequestInit = {
    method: body === undefined && act !== true ? 'GET' : 'POST',
    headers: {
      ...(token !== null && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(signal !== undefined && { signal }),
    credentials: 'omit',
    cache: 'no-store',
  };
  let reply: Response;
  try {
    reply = await fetch(path, init);
  } catch (cause) {
    if (signal?.aborted === true && !isTimeout(signal.reason)) throw cause;
    throw new ApiError(0, 'the server does not answer');
  }
  if (reply.ok) return reply;
  throw new ApiError(reply.status, await reason(reply));
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError';
}

async function reason(reply: Response): Promise<string> {
  try {
    const said = (await reply.json()) as { error?: { message?: string }; detail?: string };
    return said.error?.message ?? said.detail ?? reply.statusText;
  } catch {
    return reply.statusText;
  }
}

/**
 * The events of a stream, one `data` after the other. `EventSource` sends no headers, and a server
 * may want its token.
 */
export async function* events(reply: Response): AsyncGenerator<string> {
  if (reply.body === null) return;
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += value;
      const parts = rest.split(/\r?\n\r?\n/);
      rest = parts.pop() ?? '';
      for (const part of parts) {
        const lines = part.split(/\r?\n/).filter((line) => line.startsWith('data:'));
        if (lines.length > 0) yield lines.map((line) => line.slice(5).trimStart()).join('\n');
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

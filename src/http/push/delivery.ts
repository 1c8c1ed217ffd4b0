/** One delivery to a web hook: signed, in bounded time, to the address that was configured and no other. */
import { createHmac } from 'node:crypto';
import { request as plainRequest } from 'node:http';
import { request as tlsRequest } from 'node:https';

/** A receiver has so long for its whole answer, in milliseconds. */
const ANSWER_WITHIN_MS = 10_000;
/** What it says is not read; more than this is not even waited for, in bytes. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Whether it may go better later: no answer, or one that says so. */
export type Delivered = 'taken' | 'later' | 'refused';

/** `t=SECONDS,v1=HEX`: HMAC-SHA256 by the secret over the seconds since the epoch, a dot and the body. */
export function signature(secret: string, seconds: number, body: string): string {
  const digest = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex');
  return `t=${seconds},v1=${digest}`;
}

/** Never throws. Redirects are not followed: where they lead, nobody configured. */
export async function deliver(
  url: URL,
  body: string,
  headers: Readonly<Record<string, string>>,
  stop: AbortSignal,
): Promise<Delivered> {
  const status = await post(url, body, headers, stop).catch(() => undefined);
  if (status === undefined) return 'later';
  if (status >= 200 && status < 300) return 'taken';
  const isPassing = status >= 500 || [408, 425, 429].includes(status);
  return isPassing ? 'later' : 'refused';
}

function post(
  url: URL,
  body: string,
  headers: Readonly<Record<string, string>>,
  stop: AbortSignal,
): Promise<number> {
  const request = url.protocol === 'https:' ? tlsRequest : plainRequest;
  const signal = AbortSignal.any([stop, AbortSignal.timeout(ANSWER_WITHIN_MS)]);
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      {
        method: 'POST',
        headers: {
          ...headers,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
        signal,
      },
      (reply) => {
        let bytes = 0;
        reply.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > MAX_ANSWER_BYTES) reply.destroy();
        });
        reply.on('error', () => undefined);
        reply.on('close', () => resolve(reply.statusCode ?? 0));
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** The HTTP door of a bridge that runs: whether it answers, and a line to use it by. */
import type { Settings } from '../../../src/config/index.js';
import { type Finding, ok, warn } from './finding.js';

const ANSWER_MS = 2_000;

export async function checkHttp(settings: Settings): Promise<Finding[]> {
  const { httpPort } = settings.http;
  if (httpPort === 'off' || httpPort === 0) return [];
  const url = `http://${reachable(settings.address.host)}:${httpPort}`;
  try {
    const reply = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const isOurs = reply.ok && ((await reply.json()) as { live?: unknown }).live === true;
    if (isOurs)
      return [ok('http', `OpenAI clients are served at ${url}/v1: ${line(settings, url)}`)];
  } catch (error) {
    if (isRefused(error)) {
      return [ok('http', `no HTTP door at ${url}: it is off, or has another --http-port`)];
    }
  }
  return [
    warn('http', `another program answers at ${url}`, 'choose another --http-port, or stop it'),
  ];
}

/** The token stays in its file: the shell puts it in. */
function line({ address }: Settings, url: string): string {
  const { tokenFile } = address;
  const token = tokenFile === undefined ? '' : ` -H "Authorization: Bearer $(cat '${tokenFile}')"`;
  return `curl${token} ${url}/v1/models`;
}

/** A door that listens everywhere is asked here. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function isRefused(error: unknown): boolean {
  const cause = (error as { readonly cause?: { readonly code?: unknown } }).cause;
  return cause?.code === 'ECONNREFUSED';
}

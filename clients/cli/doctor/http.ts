/** The HTTP door of a bridge that runs: whether it answers, and a line to use it by. */
import type { Settings } from '../../../src/config/index.js';
import { type Finding, ok, warn } from './finding.js';

const ANSWER_MS = 2_000;
const OTHER_DOOR = 'that of this one is off, or has another --http-port';

/** @param bridgePid the bridge that answers at the address of the settings */
export async function checkHttp(settings: Settings, bridgePid: unknown): Promise<Finding[]> {
  const { httpPort } = settings.http;
  if (httpPort === 'off' || httpPort === 0) return [];
  const url = `http://${reachable(settings.address.host)}:${httpPort}`;
  try {
    const reply = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const said = (await reply.json()) as { live?: unknown; pid?: unknown };
    if (reply.ok && said.live === true) {
      return said.pid === bridgePid
        ? [ok('http', `OpenAI clients are served at ${url}/v1: ${line(settings, url)}`)]
        : [ok('http', `${url} is the door of another bridge (process ${said.pid}): ${OTHER_DOOR}`)];
    }
  } catch (error) {
    if (isRefused(error)) {
      return [ok('http', `no HTTP door at ${url}: ${OTHER_DOOR}`)];
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

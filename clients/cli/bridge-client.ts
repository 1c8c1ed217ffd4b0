/** The connection of a command to the bridge that the settings name. */
import { readToken, type Settings } from '../../src/config/index.js';
import {
  type BridgeClient,
  type BridgeClientOptions,
  BridgeError,
  connect,
} from '../socket/index.js';

/** @throws ConfigError when the token file cannot be used */
export function clientOptions({ address, turns }: Settings, name: string): BridgeClientOptions {
  const { host, port, socket, tokenFile } = address;
  return {
    host,
    port,
    path: socket,
    token: tokenFile === undefined ? undefined : readToken(tokenFile),
    clientName: name,
    timeoutMs: turns.turnTimeoutMs,
  };
}

/**
 * Runs `use` on a connection of its own.
 * @throws BridgeError `unreachable`, `unauthorized`, … when there is no connection to be had
 */
export async function withBridge<T>(
  settings: Settings,
  use: (client: BridgeClient) => Promise<T>,
  connectTimeoutMs?: number,
): Promise<T> {
  const options = { ...clientOptions(settings, 'warmline-cli'), connectTimeoutMs };
  const client = await connect({ ...options, reconnect: false });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/**
 * A failure of the bridge as data, in the shape of an error line of the server.
 * @throws what is given when it is another failure
 */
export function errorFields(error: unknown) {
  if (!(error instanceof BridgeError)) throw error;
  const { code, message, retryable, retryAfterMs: retry_after_ms } = error;
  return { code, message, retryable, retry_after_ms };
}

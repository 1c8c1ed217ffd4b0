/** Where a door listens, and what is said when it cannot. */
import { lookup } from 'node:dns/promises';
import { chmod, lstat, unlink } from 'node:fs/promises';
import { connect, type ListenOptions, type Server } from 'node:net';
import { ConfigError } from '../errors.js';
import { isLoopback } from './auth.js';

/**
 * The IP address to bind.
 * @throws ConfigError when the name has no address, or other machines could reach it without token
 */
export async function resolveHost(host: string, hasToken: boolean): Promise<string> {
  const found = host === '' ? undefined : await lookup(host).catch(() => undefined);
  if (found === undefined) {
    throw new ConfigError(
      `the host "${host}" has no address here; use 127.0.0.1 or an own address`,
    );
  }
  if (!isLoopback(found.address) && !hasToken) {
    throw new ConfigError(
      `other machines can reach ${found.address}: give a --token-file, or listen on 127.0.0.1`,
    );
  }
  return found.address;
}

/**
 * @param another how a person names another port, for the error
 * @throws ConfigError when the address cannot be had
 */
export function listenOn(
  server: Server,
  options: ListenOptions,
  another = '--port',
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(explain(error, options, another));
    server.once('error', failed);
    server.listen(options, () => {
      server.removeListener('error', failed);
      resolve();
    });
  });
}

function explain(
  error: NodeJS.ErrnoException,
  { host, port, path }: ListenOptions,
  another: string,
): ConfigError {
  const where = path ?? `${host}:${port}`;
  const next: Record<string, string> = {
    EADDRINUSE: `is already in use: stop the program that listens there, or choose another ${another}`,
    EADDRNOTAVAIL: 'is not an address of this machine: use 127.0.0.1 or one of its own',
    // A missing directory is reported as EACCES too.
    EACCES: path
      ? 'cannot be made: its directory must exist and be writable for you'
      : `is not allowed for you: choose a number above 1023 for ${another}`,
  };
  const reason = next[error.code ?? ''] ?? `cannot be listened on: ${error.message}`;
  return new ConfigError(`${where} ${reason}`, { cause: error });
}

/**
 * Listens on a Unix socket that only this user can open. A socket file that a dead server left is
 * replaced.
 * @throws ConfigError when a server answers there, or the path is something else than a socket
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  const stat = await lstat(path).catch(() => undefined);
  if (stat !== undefined && !stat.isSocket()) {
    throw new ConfigError(`${path} exists and is not a socket: choose another --socket`);
  }
  if (stat !== undefined) {
    if (await isAnswered(path)) {
      throw new ConfigError(
        `${path} is already in use: a server answers there; choose another --socket`,
      );
    }
    await unlink(path).catch(() => undefined);
  }
  // The file is made inside `listen`, before it returns: no moment in which others may connect.
  const umask = process.umask(0o177);
  let listening: Promise<void>;
  try {
    listening = listenOn(server, { path });
  } finally {
    process.umask(umask);
  }
  await listening;
  await chmod(path, 0o600);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error: NodeJS.ErrnoException) => {
      // Refused or gone: nobody listens. Anything else, a full backlog say, is somebody.
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

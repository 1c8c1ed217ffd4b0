/** A real server with an answer of the test's own, and what reached it. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';

export interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface TestServer {
  readonly url: string;
  /** Connections opened so far: for a secure server, handshakes that were finished. */
  readonly connections: number;
  readonly sockets: ReadonlySet<Socket>;
  readonly received: readonly Received[];
  /** Certificate to trust, of a secure server. */
  readonly ca: string | undefined;
  /** Resolves once this holds; it is looked at after every event of the server. */
  until(holds: () => boolean): Promise<void>;
  close(): Promise<void>;
}

export type Handler = (received: Received, response: ServerResponse) => void;

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** Does this when the test is over, the latest first. */
export function atEnd(clean: () => unknown): void {
  cleanups.push(clean);
}

export async function startServer(
  handler: Handler,
  { isSecure = false } = {},
): Promise<TestServer> {
  const received: Received[] = [];
  const sockets = new Set<Socket>();
  const waiting = new Set<() => void>();
  const changed = () => {
    for (const look of [...waiting]) look();
  };
  let connections = 0;

  const listener: RequestListener = (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const entry = { method, url, headers, body: Buffer.concat(chunks).toString() };
      received.push(entry);
      changed();
      handler(entry, response);
    });
    response.on('close', changed);
  };
  const server: Server = isSecure
    ? createSecureServer(certificate(), listener)
    : createServer(listener);
  server.keepAliveTimeout = 0;
  server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections += 1;
    sockets.add(socket);
    changed();
    socket.on('close', () => {
      sockets.delete(socket);
      changed();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const started: TestServer = {
    url: `${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`,
    get connections() {
      return connections;
    },
    sockets,
    received,
    ca: isSecure ? certificate().cert : undefined,
    until: (holds) =>
      new Promise((resolve) => {
        const look = () => {
          if (!holds()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  atEnd(() => started.close());
  return started;
}

let made: { readonly key: string; readonly cert: string } | undefined;

/** Self-signed, for 127.0.0.1, made once. */
function certificate(): { readonly key: string; readonly cert: string } {
  if (made !== undefined) return made;
  const directory = mkdtempSync(join(tmpdir(), 'warmline-tls-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const kind = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
  const name = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-nodes', '-days', '2', '-keyout', key, '-out', cert];
  execFileSync('openssl', [...kind, ...name, ...files], { stdio: 'ignore' });
  made = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  rmSync(directory, { recursive: true });
  return made;
}

export function streamEvents(response: ServerResponse, events: readonly string[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const event of events) response.write(event);
}

/** The MCP server as an address of the HTTP door: the streamable HTTP of the protocol. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { LRUCache } from 'lru-cache';
import type { Backend } from './backend.js';
import { createMcpServer } from './server.js';

/** Sessions kept; the one that was used least lately makes room for another. */
const MAX_SESSIONS = 256;
/** A session that is not used for so long is ended, in milliseconds. Its client begins another. */
const IDLE_MS = 30 * 60_000;
/** JSON-RPC's code for it, as the reference servers have it. */
const NO_SUCH_SESSION = -32001;
const NO_METHOD = -32000;

interface Session {
  readonly transport: StreamableHTTPServerTransport;
  close(): Promise<void>;
}

/**
 * One server for each session, which ends by DELETE, by age, or with the process; clients begin
 * another one then. There is no stream but those that answer calls: all that is told belongs to one.
 */
export class McpHttp {
  readonly #backend: Backend;
  readonly #sessions = new LRUCache<string, Session>({
    max: MAX_SESSIONS,
    ttl: IDLE_MS,
    updateAgeOnGet: true,
    dispose: (session) => void session.close(),
  });

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Answers one request. @param body its parsed JSON, if it has one */
  async handle(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> {
    if (request.method === 'GET') {
      refuse(response, 405, NO_METHOD, 'there is no stream besides those that answer calls');
      return;
    }
    const id = request.headers['mcp-session-id'];
    if (id === undefined) {
      await this.#begin(request, response, body);
      return;
    }
    const session = this.#sessions.get(String(id));
    if (session === undefined) {
      refuse(response, 404, NO_SUCH_SESSION, 'there is no such session; initialize begins one');
      return;
    }
    await session.transport.handleRequest(request, response, body);
  }

  /** Ends every session, and with it the calls under way. */
  async close(): Promise<void> {
    this.#sessions.clear();
    await this.#backend.close();
  }

  async #begin(request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> {
    const server = createMcpServer(this.#backend);
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      onsessioninitialized: (id) => {
        this.#sessions.set(id, { transport, close: () => server.close() });
      },
      onsessionclosed: (id) => {
        this.#sessions.delete(id);
      },
    });
    // Its types are not written for exact optional properties.
    await server.connect(transport as never);
    await transport.handleRequest(request, response, body);
    // It was no `initialize`, and has been refused.
    if (transport.sessionId === undefined) await server.close();
  }
}

function refuse(response: ServerResponse, status: number, code: number, message: string): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ jsonrpc: '2.0', error: { code, message }, id: null }));
}

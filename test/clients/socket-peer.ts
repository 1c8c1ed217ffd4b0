/** The server's end of a connection, driven by a test: for faults no real server commits. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createInterface, type Interface } from 'node:readline';

export interface Wire {
  readonly id?: number;
  readonly [field: string]: unknown;
}

export class Peer {
  readonly socket: Socket;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    this.#reader = createInterface({ input: socket });
    this.#lines = this.#reader[Symbol.asyncIterator]();
  }

  /** The next line, parsed; undefined when the client has ended the connection. */
  async receive(): Promise<Wire | undefined> {
    const { done, value } = await this.#lines.next();
    return done === true ? undefined : JSON.parse(value);
  }

  async expect(type: string): Promise<Wire & { readonly id: number }> {
    const message = await this.receive();
    if (message?.type !== type) throw new Error(`wanted ${type}, got ${JSON.stringify(message)}`);
    return message as Wire & { readonly id: number };
  }

  async greet(limits = { max_in_flight: 64, max_line_bytes: 1024 * 1024 }): Promise<Wire> {
    const hello = await this.expect('hello');
    this.send({ type: 'welcome', limits });
    return hello;
  }

  send(...messages: object[]): void {
    this.socket.write(messages.map((message) => `${JSON.stringify(message)}\n`).join(''));
  }
}

export function response(id: number | undefined, answer: string): object {
  return {
    type: 'response',
    id,
    answer,
    sources: [],
    model: 'm',
    engine: 'e',
    session: 's',
    elapsed_ms: 1,
    queued_ms: 0,
  };
}

/** Listens on a free port and gives the connections one by one. */
export class PeerServer {
  readonly #server: Server;
  readonly #waiting: Peer[] = [];
  readonly #takers: ((peer: Peer) => void)[] = [];
  readonly #open = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.#open.add(socket);
      socket.on('close', () => this.#open.delete(socket));
      const peer = new Peer(socket);
      const taker = this.#takers.shift();
      if (taker === undefined) this.#waiting.push(peer);
      else taker(peer);
    });
  }

  static async listen(port = 0): Promise<PeerServer> {
    const server = createServer();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new PeerServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  accept(): Promise<Peer> {
    const peer = this.#waiting.shift();
    if (peer !== undefined) return Promise.resolve(peer);
    return new Promise((resolve) => this.#takers.push(resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    this.#server.close();
    if (this.#server.listening) await once(this.#server, 'close');
  }
}

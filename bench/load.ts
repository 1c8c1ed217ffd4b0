/**
 * The load generator: keeps a fixed number of lines in flight on each connection, replaying
 * prepared bytes and counting newlines, so that it costs as little as possible beside the server.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** More than can be in flight, so that an id is free again before it is reused. */
const RING = 1024;

export interface Load {
  readonly port: number;
  readonly connections: number;
  readonly inFlight: number;
  /** Lines in all, over all connections. */
  readonly lines: number;
  readonly line: (id: number) => string;
}

/** A line of exactly `bytes` bytes with its newline, the rest padded in `field`. */
export function paddedLine(message: object, field: string, bytes: number): string {
  const bare = JSON.stringify({ ...message, [field]: '' });
  return `${JSON.stringify({ ...message, [field]: 'x'.repeat(Math.max(1, bytes - 1 - bare.length)) })}\n`;
}

/** @returns lines answered for each second */
export async function measure(load: Load): Promise<number> {
  const ring = Array.from({ length: RING }, (_, id) => Buffer.from(load.line(id)));
  const sockets = await Promise.all(
    Array.from({ length: load.connections }, async () => {
      const socket = connect(load.port, '127.0.0.1').setNoDelay();
      await once(socket, 'connect');
      return socket;
    }),
  );
  const share = Math.floor(load.lines / load.connections);
  const started = performance.now();
  await Promise.all(sockets.map((socket) => drive(socket, ring, share, load.inFlight)));
  const seconds = (performance.now() - started) / 1000;
  for (const socket of sockets) socket.destroy();
  return (share * load.connections) / seconds;
}

function drive(socket: Socket, ring: Buffer[], lines: number, inFlight: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0;
    let answered = 0;
    const send = (count: number) => {
      const parts: Buffer[] = [];
      for (let left = Math.min(count, lines - sent); left > 0; left -= 1) {
        parts.push(ring[sent % RING] as Buffer);
        sent += 1;
      }
      if (parts.length > 0)
        socket.write(parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts));
    };
    socket.on('data', (chunk: Buffer) => {
      let count = 0;
      for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, at + 1)) count += 1;
      answered += count;
      if (answered >= lines) resolve();
      else send(count);
    });
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`connection closed after ${answered} of ${lines}`)));
    send(inFlight);
  });
}

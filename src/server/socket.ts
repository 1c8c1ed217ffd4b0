/** What Node's sockets do not do by themselves. */
import type { Socket } from 'node:net';
import { failpoint } from '../failpoints/index.js';

const ASCII = /^\p{ASCII}*$/u;

/** Plain ASCII goes out as it is: encoding it costs more than looking at it. */
export function writeText(socket: Socket, text: string, onWritten: () => void): void {
  socket.write(text, ASCII.test(text) ? 'latin1' : 'utf8', onWritten);
  failpoint('reply.post');
}

/**
 * What is left of the write under way. The stream reports one large write only when all of it is
 * gone, so a slow reader of a large answer would look like one that reads nothing.
 */
export function unsentBytes(socket: Socket): number {
  const { _handle: handle } = socket as { _handle?: { writeQueueSize?: number } | null };
  return handle?.writeQueueSize ?? 0;
}

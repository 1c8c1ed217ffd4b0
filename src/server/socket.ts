/** What Node's sockets do not do by themselves. */
import type { Socket } from 'node:net';
import { failpoint } from '../failpoints/index.js';
import { encodingOf } from '../protocol/index.js';

export function writeText(socket: Socket, text: string, onWritten: () => void): void {
  socket.write(text, encodingOf(text), onWritten);
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

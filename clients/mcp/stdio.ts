/** One connection over standard input and output, as programs that start their MCP servers have it. */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import type { Backend } from './backend.js';
import { createMcpServer } from './server.js';

/** A longer line ends the connection: no honest one comes near it. In bytes. */
const MAX_LINE_BYTES = 8 * 1024 * 1024;

/** A client that leaves more than this unread is read no further until it has read it. In bytes. */
const MAX_UNREAD_BYTES = 8 * 1024 * 1024;

/** Serves until the client closes its side or is gone, or the signal is aborted. */
export async function serveStdio(
  backend: Backend,
  { stdin, stdout }: { readonly stdin: Readable; readonly stdout: Writable },
  signal: AbortSignal,
): Promise<void> {
  const transport = new StdioServerTransport(stdin as never, stdout as never, {
    maxBufferSize: MAX_LINE_BYTES,
  });
  const server = createMcpServer(backend);
  const over = new AbortController();
  const end = () => over.abort();
  for (const event of ['end', 'close', 'error']) stdin.on(event, end);
  stdout.on('error', end);
  signal.addEventListener('abort', end);
  server.onclose = end;
  await server.connect(transport);
  // Each reply that is not read yet waits there.
  stdout.setMaxListeners(0);
  stdin.on('data', () => {
    if (stdout.writableLength <= MAX_UNREAD_BYTES || stdin.isPaused()) return;
    stdin.pause();
    stdout.once('drain', () => stdin.resume());
  });
  if (!signal.aborted && !over.signal.aborted) await once(over.signal, 'abort');
  // Calls under way are aborted by it, and their turns with them.
  await server.close();
}

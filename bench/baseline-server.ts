/** The bare `net` server everything on the wire is compared with: split lines, parse, serialise. */
import { createServer } from 'node:net';

const server = createServer((socket) => {
  socket.setNoDelay();
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    let out = '';
    for (const line of lines) out += `${JSON.stringify(JSON.parse(line))}\n`;
    if (out !== '') socket.write(out);
  });
  socket.on('error', () => socket.destroy());
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  console.log(
    JSON.stringify({ event: 'ready', port: typeof address === 'object' && address?.port }),
  );
});
process.once('SIGTERM', () => process.exit(0));

#!/usr/bin/env node
import { complain, EXIT } from './failure.js';
import { runCommandLine } from './program.js';

// What commands make (a bus, a socket) is for this user only.
process.umask(0o077);

/** A reader that went away (`warmline stats | head -1`) is no reason to fail. */
const NO_READER = ['EPIPE', 'ECONNRESET', 'EIO'];
let lost: NodeJS.ErrnoException | undefined;
process.stdout.on('error', (error) => {
  lost ??= error;
});

const exitCode = await runCommandLine(process.argv.slice(2));
await Promise.all([process.stdout, process.stderr].map(flushed));
if (lost === undefined || NO_READER.includes(String(lost.code))) process.exit(exitCode);
complain(`standard output cannot be written: ${lost.message}`);
process.exit(exitCode || EXIT.failed);

/** A pipe takes 64 KiB at once; the end of the process would cut off what waits for its reader. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise((resolve) => stream.write('', resolve));
}

#!/usr/bin/env node
import { runCommandLine } from './program.js';

// What commands make (a bus, a socket) is for this user only.
process.umask(0o077);

// A reader that went away (`warmline stats | head -1`) is no reason to fail.
process.stdout.on('error', () => undefined);

const exitCode = await runCommandLine(process.argv.slice(2));
await Promise.all([process.stdout, process.stderr].map(flushed));
process.exit(exitCode);

/** A pipe takes 64 KiB at once; the end of the process would cut off what waits for its reader. */
async function flushed(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength > 0) await new Promise((resolve) => stream.write('', resolve));
}

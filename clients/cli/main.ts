#!/usr/bin/env node
import { runCommandLine } from './program.js';

// What commands make (a bus, a socket) is for this user only.
process.umask(0o077);

// A reader that went away (`warmline stats | head -1`) is no reason to fail.
process.stdout.on('error', () => undefined);

process.exit(await runCommandLine(process.argv.slice(2)));

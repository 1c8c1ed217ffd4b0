#!/usr/bin/env node
import { runCommandLine } from './program.js';

// A reader that went away (`warmline stats | head -1`) is no reason to fail.
process.stdout.on('error', () => undefined);

process.exit(await runCommandLine(process.argv.slice(2)));

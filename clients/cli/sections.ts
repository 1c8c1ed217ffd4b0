/** Which settings each program takes; said once, so that what `up` takes reaches one of its halves. */
import type { Section } from '../../src/config/index.js';

export const BRIDGE: readonly Section[] = [
  'bus',
  'address',
  'engine',
  'context',
  'sessions',
  'turns',
  'server',
  'http',
  'process',
];

export const AUTOPOLL: readonly Section[] = [
  'bus',
  'address',
  'autopoll',
  'warnings',
  'turns',
  'process',
];

export const PAIR: readonly Section[] = [...new Set([...AUTOPOLL, ...BRIDGE])];

export const MCP: readonly Section[] = ['bus', 'address', 'mcp', 'process'];

/** What `init` can set in the file that it writes. */
export const INIT: readonly Section[] = ['bus', 'engine', 'context', 'address', 'server'];

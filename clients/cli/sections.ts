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
  'mcp',
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

/** What `doctor` looks at, and `init` sets in the file that it writes and looks at. */
export const CHECKED: readonly Section[] = [
  'bus',
  'address',
  'engine',
  'context',
  'server',
  'http',
];

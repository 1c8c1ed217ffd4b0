import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** What each room may import, besides itself. A leaf file is named with its path. */
const LEAVES = [
  'src/clock.ts',
  'src/errors.ts',
  'src/failpoints',
  'src/log.ts',
  'src/text.ts',
  'src/version.ts',
];
const ALLOWED: Record<string, readonly string[]> = {
  'src/clock.ts': [],
  'src/errors.ts': [],
  'src/failpoints': ['src/errors.ts', 'src/log.ts'],
  'src/log.ts': [],
  'src/text.ts': [],
  'src/version.ts': [],
  'src/listening': LEAVES,
  'src/protocol': LEAVES,
  'src/context': LEAVES,
  'src/watchdog': LEAVES,
  'src/bus': LEAVES,
  'src/processes': LEAVES,
  'src/fake-model': LEAVES,
  'src/engines': [...LEAVES, 'src/context', 'src/processes'],
  'src/sessions': [...LEAVES, 'src/context', 'src/engines'],
  'src/bridge': [...LEAVES, 'src/context', 'src/engines', 'src/sessions'],
  'src/server': [...LEAVES, 'src/listening', 'src/protocol', 'src/bridge'],
  'src/config': LEAVES,
  'src/lifecycle.ts': LEAVES,
  'src/serve.ts': [
    ...LEAVES,
    'src/lifecycle.ts',
    'src/context',
    'src/engines',
    'src/sessions',
    'src/bridge',
    'src/server',
    'src/http',
    'src/bus',
    'src/watchdog',
    'src/config',
  ],
  'clients/socket': [...LEAVES, 'src/protocol'],
  'clients/autopoll': [...LEAVES, 'src/bus', 'clients/socket'],
  'clients/monitor': [...LEAVES, 'src/bus'],
  'clients/daemon': [...LEAVES, 'src/bus', 'src/config', 'src/lifecycle.ts', 'clients/autopoll'],
  'clients/top': [...LEAVES, 'src/bus', 'clients/socket', 'clients/monitor'],
  'clients/mcp': [...LEAVES, 'src/bus', 'clients/socket', 'clients/monitor'],
  'src/http': [...LEAVES, 'src/listening', 'src/protocol', 'src/bridge', 'src/bus'],
  'clients/cli': [
    ...LEAVES,
    'clients/monitor',
    'clients/daemon',
    'clients/top',
    'clients/mcp',
    'src/serve.ts',
    'src/lifecycle.ts',
    'src/config',
    'src/bus',
    'clients/socket',
    'clients/autopoll',
    'src/context',
    'src/watchdog',
    'src/fake-model',
  ],
  // The page runs in a browser: it knows the shapes of what it is told, and nothing else of ours.
  dashboard: ['src/http'],
  chaos: [...LEAVES, 'src/bus', 'src/config'],
};

/** Doors inside a room that others may open beside its `index.ts`, each for a reason. */
const SIDE_DOORS = new Set([
  // Contracts: what a room promises, without the code that keeps it.
  'src/bridge/contract.ts',
  'src/context/context.ts',
  'src/http/dashboard/wire.ts',
  // An engine is loaded only when it is configured, so each has a door of its own.
  'src/engines/extract/index.ts',
  'src/engines/fake/index.ts',
  'src/engines/claude/index.ts',
  'src/engines/acp/index.ts',
  'src/engines/openai/index.ts',
  'src/engines/anthropic/index.ts',
]);

interface Import {
  readonly from: string;
  readonly to: string;
}

function sources(directory: string): string[] {
  return readdirSync(join(ROOT, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  const specifiers = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...specifiers].map(([, specifier = '']) => ({
    from: file,
    to: relative(ROOT, resolve(ROOT, dirname(file), specifier)).replace(/\.js$/, '.ts'),
  }));
}

function roomOf(file: string): string {
  const rooms = Object.keys(ALLOWED);
  return rooms.find((room) => file === room || file.startsWith(`${room}/`)) ?? file;
}

const FILES = [
  ...sources('src'),
  ...sources('clients'),
  ...sources('chaos'),
  ...sources('dashboard'),
];
const IMPORTS = FILES.flatMap(importsOf);
const CROSSING = IMPORTS.filter(({ from, to }) => roomOf(from) !== roomOf(to));

test('every file belongs to a room', () => {
  expect(FILES.filter((file) => ALLOWED[roomOf(file)] === undefined)).toEqual([]);
  expect(FILES.length).toBeGreaterThan(40);
});

test('imports point one way', () => {
  const wrong = CROSSING.filter(({ from, to }) => !ALLOWED[roomOf(from)]?.includes(roomOf(to)));
  expect(wrong).toEqual([]);
  expect(CROSSING.length).toBeGreaterThan(40);
});

test('a room is entered by its door', () => {
  const wrong = CROSSING.filter(
    ({ to }) => roomOf(to) !== to && !to.endsWith(`${roomOf(to)}/index.ts`) && !SIDE_DOORS.has(to),
  );
  expect(wrong).toEqual([]);
});

test('the page in the browser takes types from the server, and no code', () => {
  const taken = IMPORTS.filter(
    ({ from, to }) => roomOf(from) === 'dashboard' && roomOf(to) !== 'dashboard',
  );
  expect(new Set(taken.map(({ to }) => to))).toEqual(new Set(['src/http/dashboard/wire.ts']));
  const code = taken.filter(({ from }) =>
    /^import (?!type )[^;]*src\/http/m.test(readFileSync(join(ROOT, from), 'utf8')),
  );
  expect(code).toEqual([]);
});

test('only the configuration reads the environment', () => {
  const readers = FILES.filter((file) =>
    /process\.env\b/.test(readFileSync(join(ROOT, file), 'utf8')),
  );
  expect(readers.filter((file) => roomOf(file) !== 'src/config')).toEqual([]);
});

test('no file is longer than 400 lines', () => {
  const long = FILES.filter(
    (file) => readFileSync(join(ROOT, file), 'utf8').split('\n').length > 401,
  );
  expect(long).toEqual([]);
});

/** The bus file of a command, and what may be wrong with it before SQLite is asked. */
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { openSqliteBus, type SqliteBus, type SqliteBusOptions } from '../../src/bus/index.js';
import type { Settings } from '../../src/config/index.js';
import { ConfigError } from '../../src/errors.js';
import { needBus, settingsFor, type Words } from './options.js';

/**
 * Opens the bus, or makes an empty one with `create`.
 * @throws ConfigError when there is no directory to make it in
 * @throws BusError when it cannot be used
 */
export function openBus(options: SqliteBusOptions & { readonly create: boolean }): SqliteBus {
  if (options.create) requirePlace(options.file, '--db');
  return openSqliteBus(options);
}

/** Uses the bus that a command names, which has to be there, and closes it. */
export async function withBus(
  words: Words,
  use: (bus: SqliteBus, settings: Settings) => number | Promise<number>,
): Promise<number> {
  const settings = await settingsFor(words, 'bus');
  const { session } = settings.bus;
  const bus = openBus({ file: needBus(settings), session, create: false });
  try {
    return await use(bus, settings);
  } finally {
    await bus.close();
  }
}

/**
 * @param flag what names the file on the command line
 * @throws ConfigError when there is no directory to make the file in, or none for this user
 */
export function requirePlace(file: string, flag: string): void {
  const directory = dirname(file);
  const isDirectory = orNothing(() =>
    statSync(directory, { throwIfNoEntry: false })?.isDirectory(),
  );
  if (isDirectory !== true) {
    throw new ConfigError(
      `${file} cannot be made: there is no directory ${directory}; make it, or check ${flag}`,
    );
  }
  if (orNothing(() => statSync(file, { throwIfNoEntry: false })) !== undefined) return;
  if (isDenied(directory)) {
    throw new ConfigError(
      `${file} cannot be made: ${directory} is not writable for this user; change its permissions, or check ${flag}`,
    );
  }
}

/**
 * The first of the places a bus is written to (its directory, the file and what SQLite keeps beside
 * it) that this user may not read and write, or undefined.
 */
export function deniedPath(file: string): string | undefined {
  const real = orNothing(() => realpathSync(file)) ?? file;
  return [dirname(real), real, `${real}-wal`, `${real}-shm`].find(isDenied);
}

function isDenied(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return false;
  } catch (error) {
    return !['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
  }
}

/** What cannot be looked at is as good as not there. */
function orNothing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

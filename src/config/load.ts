/** Settings from flags, then `WARMLINE_*` variables, then the config file, then defaults. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError } from '../errors.js';
import type { Environment } from './environment.js';
import { type Described, describedSettings, ENV_PREFIX, nearest } from './names.js';
import { SECTIONS, type Settings } from './settings.js';

/** Values given as flags, by key (`contextRoot`), already checked; `config` names the file. */
export type Flags = Readonly<Record<string, unknown>>;

export interface LoadOptions {
  readonly flags: Flags;
  readonly env: Environment;
  /** Where relative paths of flags and variables start, and where `warmline.toml` is looked for. */
  readonly cwd: string;
}

const CONFIG_VARIABLE = `${ENV_PREFIX}CONFIG`;
const USUAL_FILE = 'warmline.toml';

/** A value as it was given, and by which name, for the error that it may deserve. */
interface Given {
  readonly value: unknown;
  readonly name: string;
  /** The directory that a relative path in it starts from. */
  readonly base: string;
}

type Source = ReadonlyMap<string, Given>;

/** @throws ConfigError naming the key, and the nearest known one when there is none of that name */
export async function loadSettings({ flags, env, cwd }: LoadOptions): Promise<Settings> {
  const sources = [
    fromFlags(flags, cwd),
    fromVariables(env, cwd),
    await fromFile(configFile(flags, env, cwd)),
  ];
  const values = new Map<string, unknown>();
  for (const setting of describedSettings()) {
    // Every source is checked, also where another one wins: a mistake is not to lie in wait.
    const checked = sources.map((source) => check(setting, source.get(setting.key)));
    const value = checked.find((given) => given !== undefined) ?? standard(setting, cwd);
    if (value !== undefined) values.set(setting.key, value);
  }
  const settings = bySection(values);
  refuseContradictions(settings);
  return settings;
}

function fromFlags(flags: Flags, cwd: string): Source {
  const given = new Map<string, Given>();
  for (const { key, flag } of describedSettings()) {
    if (flags[key] !== undefined) given.set(key, { value: flags[key], name: flag, base: cwd });
  }
  return given;
}

function fromVariables(env: Environment, cwd: string): Source {
  const byName = new Map(describedSettings().map((setting) => [setting.variable, setting]));
  const given = new Map<string, Given>();
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(ENV_PREFIX) || name === CONFIG_VARIABLE) continue;
    const setting = byName.get(name);
    if (setting === undefined) throw unknownName('variable', name, [...byName.keys()]);
    if (text === undefined || text === '') continue;
    given.set(setting.key, { value: setting.read(text), name, base: cwd });
  }
  return given;
}

function configFile(flags: Flags, env: Environment, cwd: string): string | undefined {
  const named = flags.config ?? (env[CONFIG_VARIABLE] || undefined);
  if (typeof named === 'string') return resolve(cwd, named);
  const usual = resolve(cwd, USUAL_FILE);
  return existsSync(usual) ? usual : undefined;
}

async function fromFile(file: string | undefined): Promise<Source> {
  const given = new Map<string, Given>();
  if (file === undefined) return given;
  const byKey = new Map(describedSettings().map((setting) => [setting.fileKey, setting]));
  for (const [key, value] of Object.entries(await readToml(file))) {
    const setting = byKey.get(key);
    if (setting === undefined) throw unknownName(`${file}: key`, key, [...byKey.keys()], value);
    given.set(setting.key, { value, name: `${file}: ${key}`, base: dirname(file) });
  }
  return given;
}

async function readToml(file: string): Promise<Record<string, unknown>> {
  const { parse } = await import('smol-toml');
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== undefined) {
      throw new ConfigError(`cannot read the config file ${file}; check --config`, { cause });
    }
    const { line } = cause as { line?: number };
    const [what] = (cause as Error).message.split('\n');
    throw new ConfigError(`${file}:${line ?? 1}: ${what}`, { cause });
  }
}

function unknownName(
  what: string,
  name: string,
  known: readonly string[],
  value?: unknown,
): ConfigError {
  const isTable = typeof value === 'object' && value !== null && !Array.isArray(value);
  return new ConfigError(
    isTable
      ? `${what} "${name}" is a table; settings are plain keys without a [table]`
      : `${what} "${name}" is not known; did you mean "${nearest(name, known)}"?`,
  );
}

function check(setting: Described, given: Given | undefined): unknown {
  if (given === undefined) return undefined;
  const checked = setting.schema.safeParse(given.value);
  if (!checked.success) {
    throw new ConfigError(`${given.name} must be ${setting.expects}, not ${shown(given.value)}`);
  }
  return withPaths(setting, checked.data, given.base);
}

function standard(setting: Described, cwd: string): unknown {
  return withPaths(setting, setting.standard, cwd);
}

function withPaths(setting: Described, value: unknown, base: string): unknown {
  if (!setting.isPath || value === undefined) return value;
  if (Array.isArray(value)) return value.map((path) => resolve(base, path));
  return resolve(base, String(value));
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function bySection(values: ReadonlyMap<string, unknown>): Settings {
  const settings = Object.entries(SECTIONS).map(([name, schema]) => {
    const keys = Object.keys(schema.shape).filter((key) => values.has(key));
    return [name, Object.fromEntries(keys.map((key) => [key, values.get(key)]))];
  });
  // Each value has passed its own schema above, and each section holds the keys of its schema.
  return Object.fromEntries(settings) as Settings;
}

/** Each of these is fine by itself and wrong beside another. */
function refuseContradictions({ server, sessions, autopoll }: Settings): void {
  if (server.httpPort !== 'off') {
    throw new ConfigError(
      'this version has no HTTP door yet: set http_port to off, or leave it out',
    );
  }
  if (sessions.spares > sessions.maxSessions) {
    throw new ConfigError(
      `spares (${sessions.spares}) must not be more than max_sessions (${sessions.maxSessions})`,
    );
  }
  if (autopoll.renewEveryMs >= autopoll.leaseMs) {
    throw new ConfigError(
      `renew_every_ms (${autopoll.renewEveryMs}) must be less than lease_ms (${autopoll.leaseMs})`,
    );
  }
}

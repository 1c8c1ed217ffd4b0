/** Settings from flags, then `WARMLINE_*` variables, then the config file, then defaults. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ConfigError } from '../errors.js';
import { checkGiven, type Given, isTable, unknownName, withPaths } from './check.js';
import { ENGINE_KINDS } from './engine-keys.js';
import { adviceAgainst, type EngineTables, readTables } from './engine-tables.js';
import { configuredEngines, type EngineSettings } from './engines.js';
import type { Environment } from './environment.js';
import { type Described, describedSettings, ENV_PREFIX, nearest } from './names.js';
import { SECTIONS, type Sections } from './settings.js';

export type Settings = Omit<Sections, 'engine' | 'http'> & {
  readonly http: Sections['http'] & {
    /** Nobody has asked for the port: where it is taken, a bridge does without. */
    readonly isPortUsual: boolean;
  };
  readonly engine: Sections['engine'] & { readonly engine: string };
  /** Every engine that runs; the default one is named by `engine.engine`. */
  readonly engines: readonly EngineSettings[];
};

/** Values given as flags, by key (`contextRoot`), already checked; `config` names the file. */
export type Flags = Readonly<Record<string, unknown>>;

export interface LoadOptions {
  readonly flags: Flags;
  readonly env: Environment;
  /** Where relative paths of flags and variables start, and where `warmline.toml` is looked for. */
  readonly cwd: string;
  /** What the config file is to hold, when it is not to be read. */
  readonly text?: string;
}

const CONFIG_VARIABLE = `${ENV_PREFIX}CONFIG`;
const USUAL_FILE = 'warmline.toml';
const ENGINES = 'engines';

type Source = ReadonlyMap<string, Given>;

/** @throws ConfigError naming the key, and the nearest known one when there is none of that name */
export async function loadSettings({ flags, env, cwd, text }: LoadOptions): Promise<Settings> {
  const path = configFileFor({ flags, env, cwd });
  const isThere = text !== undefined || namedFile(flags, env) !== undefined || existsSync(path);
  const file = await fromFile(isThere ? path : undefined, text);
  // Every source is checked, also where another one wins: a mistake is not to lie in wait.
  const sources = [fromFlags(flags, cwd), fromVariables(env, cwd), file.settings].map(checked);
  const [byFlag, byVariable, byFile] = sources as [Source, Source, Source];
  const values = new Map<string, unknown>();
  for (const setting of describedSettings()) {
    const given = sources.find((source) => source.has(setting.key))?.get(setting.key);
    const value = given === undefined ? standard(setting, cwd) : given.value;
    if (value !== undefined) values.set(setting.key, value);
  }
  const sections = bySection(values);
  refuseContradictions(sections);
  const { engines, usual } = configuredEngines({
    tables: file.tables,
    byFlag,
    byVariable,
    byFile,
    values,
  });
  return {
    ...sections,
    http: { ...sections.http, isPortUsual: !sources.some((source) => source.has('httpPort')) },
    engine: { ...sections.engine, engine: usual },
    engines,
  };
}

function checked(source: Source): Source {
  const settings = describedSettings().flatMap((setting) => {
    const given = source.get(setting.key);
    return given === undefined ? [] : [[setting.key, checkGiven(setting, given)] as const];
  });
  return new Map(settings);
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

/** The config file that is read, or would be if it were there. */
export function configFileFor({ flags, env, cwd }: LoadOptions): string {
  return resolve(cwd, namedFile(flags, env) ?? USUAL_FILE);
}

function namedFile(flags: Flags, env: Environment): string | undefined {
  const named = flags.config ?? (env[CONFIG_VARIABLE] || undefined);
  return typeof named === 'string' ? named : undefined;
}

async function fromFile(
  file: string | undefined,
  text: string | undefined,
): Promise<{ readonly settings: Source; readonly tables: EngineTables }> {
  const settings = new Map<string, Given>();
  if (file === undefined) return { settings, tables: new Map() };
  const { [ENGINES]: tables, ...plain } = await readToml(file, text);
  const byKey = new Map(describedSettings().map((setting) => [setting.fileKey, setting]));
  const base = dirname(file);
  for (const [key, value] of Object.entries(plain)) {
    const setting = byKey.get(key);
    if (setting === undefined) throw unknownKey(file, key, [...byKey.keys()], value);
    settings.set(setting.key, { value, name: `${file}: ${key}`, base });
  }
  return { settings, tables: readTables(tables, file) };
}

async function readToml(file: string, text?: string): Promise<Record<string, unknown>> {
  const { parse } = await import('smol-toml');
  try {
    return parse(text ?? readFileSync(file, 'utf8'));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== undefined) {
      throw new ConfigError(`cannot read the config file ${file}; check --config`, { cause });
    }
    const { line } = cause as { line?: number };
    const [what] = (cause as Error).message.split('\n');
    throw new ConfigError(`${file}:${line ?? 1}: ${what}`, { cause });
  }
}

function unknownKey(
  file: string,
  key: string,
  known: readonly string[],
  value: unknown,
): ConfigError {
  if (!isTable(value)) return adviceAgainst(file, key) ?? unknownName(`${file}: key`, key, known);
  const [kind] = nearest(key, [...ENGINE_KINDS, ENGINES]) === ENGINES ? ['NAME'] : [key];
  return new ConfigError(
    `${file}: key "${key}" is a table; settings are plain keys without a [table], engines are [${ENGINES}.${kind}]`,
  );
}

function standard(setting: Described, cwd: string): unknown {
  return withPaths(setting, setting.standard, cwd);
}

function bySection(values: ReadonlyMap<string, unknown>): Sections {
  const settings = Object.entries(SECTIONS).map(([name, schema]) => {
    const keys = Object.keys(schema.shape).filter((key) => values.has(key));
    return [name, Object.fromEntries(keys.map((key) => [key, values.get(key)]))];
  });
  // Each value has passed its own schema above, and each section holds the keys of its schema.
  return Object.fromEntries(settings) as Sections;
}

/** Each of these is fine by itself and wrong beside another. */
function refuseContradictions({ sessions, autopoll }: Sections): void {
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

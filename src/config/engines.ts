/** Which engines run, each with its settings: from the tables of the file, and from the settings. */
import { resolve } from 'node:path';
import type { z } from 'zod';
import { ConfigError } from '../errors.js';
import type { Given } from './check.js';
import {
  ENGINE_KINDS,
  type EngineKind,
  INHERITED,
  type ENGINE_KEYS as Keys,
  KINDS_OF,
  OWN_SETTINGS,
} from './engine-keys.js';
import type { EngineTable, EngineTables } from './engine-tables.js';
import { describedSettings, describedTable, nearest } from './names.js';
import type { Sections } from './settings.js';

type Own = Omit<z.infer<typeof Keys>, 'kind'>;
type Inherited = Pick<
  Sections['sessions'] & Sections['turns'] & Sections['engine'],
  (typeof INHERITED)[number]
>;

export interface EngineSettings extends Readonly<Own>, Readonly<Inherited> {
  readonly name: string;
  readonly kind: EngineKind;
}

export interface EngineSources {
  readonly tables: EngineTables;
  readonly byFlag: EngineTable;
  readonly byVariable: EngineTable;
  readonly byFile: EngineTable;
  /** Every setting, by key, defaults included. */
  readonly values: ReadonlyMap<string, unknown>;
}

const USUAL = 'extract';

/**
 * Every engine that has a table, and those that `engine` and `fallback` name by their kind.
 * @returns them, and the name of the default one
 * @throws ConfigError
 */
export function configuredEngines(sources: EngineSources): {
  readonly engines: readonly EngineSettings[];
  readonly usual: string;
} {
  const tables = new Map(sources.tables);
  const [first] = tables.keys();
  const named = winner(sources, 'engine');
  const usual = named === undefined ? (first ?? USUAL) : String(named.value);
  ensure(tables, usual, named?.name ?? 'the default');
  for (const [name, table] of tables) {
    const fallback = table.get('fallback');
    if (fallback === undefined) continue;
    if (fallback.value === name) throw new ConfigError(`${fallback.name} must name another engine`);
    ensure(tables, String(fallback.value), fallback.name);
  }
  const engines = [...tables.keys()].map((name) => {
    const table = tables.get(name) as EngineTable;
    return engineSettings(name, table, name === usual, sources);
  });
  requireOneMeaning(engines);
  return { engines, usual };
}

/** A word chooses one engine. */
function requireOneMeaning(engines: readonly EngineSettings[]): void {
  const owners = new Map(engines.map(({ name }) => [name, name]));
  for (const { name, aliases } of engines) {
    for (const alias of aliases) {
      const owner = owners.get(alias);
      if (owner !== undefined) {
        throw new ConfigError(`engine ${name}: the alias "${alias}" is a name of ${owner} already`);
      }
      owners.set(alias, name);
    }
  }
}

/** The value that wins of a setting, and where it is from. */
function winner({ byFlag, byVariable, byFile }: EngineSources, key: string): Given | undefined {
  return byFlag.get(key) ?? byVariable.get(key) ?? byFile.get(key);
}

/** An engine that is named and has no table is one of that kind. */
function ensure(tables: Map<string, EngineTable>, name: string, where: string): void {
  if (tables.has(name)) return;
  if (!isKind(name)) {
    const known = [...new Set([...tables.keys(), ...ENGINE_KINDS])];
    throw new ConfigError(
      `${where} must be one of ${known.join(', ')}, not "${name}"; did you mean "${nearest(name, known)}"?`,
    );
  }
  tables.set(name, new Map());
}

function engineSettings(
  name: string,
  table: EngineTable,
  isUsual: boolean,
  sources: EngineSources,
): EngineSettings {
  const kind = kindOf(name, table);
  for (const [key, { name: where }] of table) requireFit(key, kind, where);
  if (isUsual) {
    for (const [setting, key] of Object.entries(OWN_SETTINGS)) {
      if (sources.byFlag.has(setting)) requireFit(key, kind, flagOf(setting));
    }
  }
  const own = isUsual ? withSettings(table, kind, sources) : table;
  const values: Record<string, unknown> = { aliases: [] };
  for (const { key } of describedTable().own) {
    const given = own.get(key);
    if (given !== undefined) values[key] = key === 'command' ? toCommand(given) : given.value;
  }
  for (const key of INHERITED) {
    const mine = isUsual ? (sources.byFlag.get(key) ?? sources.byVariable.get(key)) : undefined;
    values[key] = (mine ?? table.get(key))?.value ?? sources.values.get(key);
  }
  // Each value has passed the schema of its key, and the inherited ones have defaults.
  const engine = { ...values, name, kind } as EngineSettings;
  requireWhole(engine, table);
  return { ...engine, spares: Math.min(engine.spares, engine.maxSessions) };
}

function kindOf(name: string, table: EngineTable): EngineKind {
  const kind = table.get('kind')?.value ?? name;
  if (isKind(kind)) return kind;
  throw new ConfigError(`engine ${name} needs a kind: one of ${ENGINE_KINDS.join(', ')}`);
}

function isKind(word: unknown): word is EngineKind {
  return ENGINE_KINDS.some((kind) => kind === word);
}

/** The table of the default engine together with the settings that are for it alone. */
function withSettings(table: EngineTable, kind: EngineKind, sources: EngineSources): EngineTable {
  const { byFlag, byVariable, byFile } = sources;
  const own = new Map(ownSettings(byFile, kind));
  for (const [key, given] of table) own.set(key, given);
  for (const source of [byVariable, byFlag]) {
    const given = ownSettings(source, kind);
    // Where the key is, is said in one place: a nearer one takes its stead.
    if (given.has('keyFile') || given.has('keyEnv')) {
      own.delete('keyFile');
      own.delete('keyEnv');
    }
    for (const [key, value] of given) own.set(key, value);
  }
  return own;
}

function ownSettings(source: EngineTable, kind: EngineKind): EngineTable {
  const own = new Map<string, Given>();
  for (const [setting, key] of Object.entries(OWN_SETTINGS)) {
    const given = source.get(setting);
    if (given !== undefined && fits(key, kind)) own.set(key, given);
  }
  return own;
}

function flagOf(key: string): string {
  return describedSettings(['engine']).find((setting) => setting.key === key)?.flag ?? key;
}

function fits(key: string, kind: EngineKind): boolean {
  return KINDS_OF[key]?.includes(kind) ?? true;
}

function requireFit(key: string, kind: EngineKind, where: string): void {
  if (fits(key, kind)) return;
  throw new ConfigError(`${where} is for ${KINDS_OF[key]?.join(', ')}, not for ${kind}`);
}

/** What is fine key by key, and wrong or not enough together. */
function requireWhole(engine: EngineSettings, table: EngineTable): void {
  const { name, kind } = engine;
  if ((kind === 'openai' || kind === 'anthropic') && engine.model === undefined) {
    throw new ConfigError(`engine ${name} needs a model: --engine-model, or model in its table`);
  }
  if (kind === 'acp' && engine.command === undefined && engine.preset === undefined) {
    throw new ConfigError(
      `engine ${name} needs an agent: --acp-command, or command or preset in its table`,
    );
  }
  if (engine.keyFile !== undefined && engine.keyEnv !== undefined) {
    throw new ConfigError(`engine ${name} has key_file and key_env; one of them is enough`);
  }
  if (table.has('spares') && engine.spares > engine.maxSessions) {
    throw new ConfigError(
      `engine ${name}: spares (${engine.spares}) must not be more than max_sessions (${engine.maxSessions})`,
    );
  }
}

/** Words in quotes may hold blanks. */
const WORD = /"([^"]*)"|'([^']*)'|([^\s"']+)/y;

/** A command as a list of words; its program found from where it was written. */
function toCommand({ value, name, base }: Given): readonly string[] {
  const [program, ...rest] = Array.isArray(value)
    ? (value as string[])
    : words(String(value), name);
  if (program === undefined) throw new ConfigError(`${name} names no program`);
  return [program.includes('/') ? resolve(base, program) : program, ...rest];
}

function words(line: string, name: string): string[] {
  const found: string[] = [];
  let at = line.search(/\S|$/);
  while (at < line.length) {
    WORD.lastIndex = at;
    const match = WORD.exec(line);
    if (match === null || /[^\s]/.test(line[WORD.lastIndex] ?? ' ')) {
      throw new ConfigError(`${name} has a quote that does not stand around a whole word`);
    }
    found.push(match[1] ?? match[2] ?? match[3] ?? '');
    at = WORD.lastIndex + line.slice(WORD.lastIndex).search(/\S|$/);
  }
  return found;
}

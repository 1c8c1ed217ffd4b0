/** The `[engines.NAME]` tables of a config file, key by key. */
import { dirname } from 'node:path';
import { ConfigError } from '../errors.js';
import { checkGiven, type Given, isTable, unknownName } from './check.js';
import { describedTable } from './names.js';

/** Values by key (`baseUrl`), checked. */
export type EngineTable = ReadonlyMap<string, Given>;

export type EngineTables = ReadonlyMap<string, EngineTable>;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Words people try, and what to write instead. */
const ADVICE: ReadonlyMap<string, string> = new Map(
  Object.entries({
    key: 'a key is not written into the config file: name a file with key_file, or a variable with key_env',
    concurrency: 'how many questions an engine works on at once is its max_sessions',
    url: 'the address of a model API is base_url',
    path: 'the claude program is claude_path, an agent program is command',
    args: 'the arguments of an agent are part of its command',
  }),
);

const KEY_LIKE = /^(api_?)?(key|token|secret|password)$/i;

/** What to say to a key that nobody knows, where the nearest one would lead astray. */
export function adviceAgainst(where: string, key: string): ConfigError | undefined {
  const advice = ADVICE.get(KEY_LIKE.test(key) ? 'key' : key);
  return advice === undefined ? undefined : new ConfigError(`${where}: ${key}: ${advice}`);
}

/** @throws ConfigError naming file, table and key */
export function readTables(tables: unknown, file: string): EngineTables {
  if (tables === undefined) return new Map();
  if (!isTable(tables)) throw new ConfigError(`${file}: engines must be tables, [engines.NAME]`);
  return new Map(
    Object.entries(tables).map(([name, table]) => [name, readTable(name, table, file)]),
  );
}

function readTable(name: string, table: unknown, file: string): EngineTable {
  const where = `${file}: [engines.${name}]`;
  if (!NAME.test(name)) {
    throw new ConfigError(
      `${file}: an engine is named by up to 64 letters, digits, dots, dashes and underscores, not ${JSON.stringify(name)}`,
    );
  }
  if (!isTable(table)) throw new ConfigError(`${file}: engines.${name} must be a table, ${where}`);
  const { own, inherited } = describedTable();
  const byKey = new Map([...own, ...inherited].map((setting) => [setting.fileKey, setting]));
  const values = new Map<string, Given>();
  for (const [key, value] of Object.entries(table)) {
    const setting = byKey.get(key);
    if (setting === undefined) {
      throw adviceAgainst(where, key) ?? unknownName(`${where}: key`, key, [...byKey.keys()]);
    }
    const given = { value, name: `${where} ${key}`, base: dirname(file) };
    values.set(setting.key, checkGiven(setting, given));
  }
  return values;
}

/** Settings as flags of commands, and back. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import {
  type Described,
  describedSettings,
  environment,
  type Flags,
  loadSettings,
  readFlag,
  type Section,
  type Settings,
  wholeAbout,
} from '../../src/config/index.js';
import { ConfigError } from '../../src/errors.js';
import { UsageError } from './failure.js';

/** What commander hands to an action: options by camel-case name. */
export type Words = Readonly<Record<string, unknown>>;

const HEADINGS: Record<Section, string> = {
  address: 'Bridge address:',
  server: 'Server:',
  http: 'HTTP door:',
  engine: 'Engine:',
  context: 'Context files:',
  sessions: 'Sessions:',
  turns: 'Turns:',
  bus: 'Memory bus:',
  autopoll: 'Autopoll:',
  warnings: 'Warnings (0 turns one off):',
  mcp: 'MCP server:',
  process: 'Process:',
};

/** Adds the settings of these sections as flags, and `--config`. */
export function withSettings(command: Command, ...sections: Section[]): Command {
  command.option('--config <FILE>', 'config file (default: warmline.toml when there is one)');
  const listens = sections.includes('server');
  for (const setting of describedSettings(sections)) {
    command.addOption(toOption(setting, listens ? wholeAbout(setting) : setting.about));
  }
  return command;
}

/** One setting as a flag, for a command that takes no others of its section. */
export function withSetting(command: Command, key: string): Command {
  for (const setting of describedSettings()) {
    if (setting.key === key) command.addOption(toOption(setting, wholeAbout(setting)));
  }
  return command;
}

/** Another flag for a setting that the command takes already. */
export function withAlias(command: Command, flag: string, key: string): Command {
  for (const setting of describedSettings()) {
    if (setting.key !== key) continue;
    command.addOption(toOption({ ...setting, flag }, `the same as ${setting.flag}`));
  }
  return command;
}

/** An option with words that a shell can offer for its value; others may be right as well. */
export class WordOption extends Option {
  constructor(
    flags: string,
    about: string,
    readonly words: readonly string[],
  ) {
    super(flags, about);
  }
}

/** The flag of a setting. */
export class SettingOption extends WordOption {
  constructor(
    flags: string,
    about: string,
    readonly setting: Described,
  ) {
    super(flags, about, setting.words ?? []);
  }
}

function toOption(setting: Described, about: string): Option {
  const flags = setting.value === '' ? setting.flag : `${setting.flag} <${setting.value}>`;
  const option = new SettingOption(flags, about + standardText(setting), setting);
  option.helpGroup(HEADINGS[setting.section]);
  if (setting.value === '') return option;
  return option.argParser((given: string, before: unknown) => {
    const read = readFlag(setting, given);
    if (!read.ok && setting.isDelicate === true) {
      throw new UsageError(`${setting.flag} must be ${read.expects}`);
    }
    if (!read.ok) throw new InvalidArgumentError(`It must be ${read.expects}.`);
    if (!setting.isList) return read.value;
    return [...(Array.isArray(before) ? before : []), read.value];
  });
}

function standardText({ standard, isList }: Described): string {
  const several = isList ? ', several times if need be' : '';
  if (standard === undefined || standard === false) return several;
  const shown = Array.isArray(standard) ? standard.join(', ') : String(standard);
  return shown === '' ? several : `${several} (default: ${shown})`;
}

/**
 * The settings for a command that takes these sections as flags. Its other options may bear the
 * name of a setting (`ask --context`), and are not taken for it.
 * @throws ConfigError
 */
export function settingsFor(words: Words, ...sections: Section[]): Promise<Settings> {
  return loadSettings({ flags: flagsOf(words, sections), env: environment(), cwd: process.cwd() });
}

export function flagsOf(words: Words, sections: readonly Section[]): Flags {
  const keys = ['config', ...describedSettings(sections).map(({ key }) => key)];
  return Object.fromEntries(keys.map((key) => [key, words[key]]));
}

/** @throws ConfigError when no bus is named */
export function needBus({ bus }: Settings): string {
  if (bus.db === undefined) {
    throw new ConfigError(
      'no bus is named; give --db FILE, set WARMLINE_DB, or go to the directory of warmline.toml',
    );
  }
  return bus.db;
}

/** The command line that gives these flags to another process of ours. */
export function toCommandLine(flags: Flags, sections: readonly Section[]): string[] {
  const given = describedSettings(sections).flatMap(({ key, flag }) => {
    const value = flags[key];
    if (value === undefined || value === false) return [];
    if (value === true) return [flag];
    return [value].flat().map((item) => `${flag}=${item}`);
  });
  return flags.config === undefined ? given : [`--config=${flags.config}`, ...given];
}

/** Message ids and query ids from text such as `--depends-on 41,q_7`. */
export function questionIds(given: string): (number | string)[] {
  const ids = given.split(',').map((id) => id.trim());
  if (ids.includes('')) {
    throw new InvalidArgumentError('It must be message ids or query ids with commas between them.');
  }
  return ids.map((id) => (/^[1-9]\d{0,15}$/.test(id) ? Number(id) : id));
}

/** A whole number above 0, such as a message id. */
export function whole(given: string): number {
  if (!/^[1-9]\d{0,14}$/.test(given)) {
    throw new InvalidArgumentError('It must be a whole number above 0.');
  }
  return Number(given);
}

/** The same with a bound. */
export function wholeUpTo(most: number): (given: string) => number {
  return (given) => {
    const number = /^[1-9]\d{0,14}$/.test(given) ? Number(given) : 0;
    if (number < 1 || number > most) {
      throw new InvalidArgumentError(`It must be a whole number from 1 to ${most}.`);
    }
    return number;
  };
}

/** A whole number of milliseconds from text such as `--timeout 60000`. */
export function milliseconds(given: string): number {
  if (!/^[1-9]\d{0,8}$/.test(given)) {
    throw new InvalidArgumentError('It must be a whole number of milliseconds above 0.');
  }
  return Number(given);
}

/** A number of days from text such as `--days 7`. */
export function dayCount(given: string): number {
  if (!/^[1-9]\d{0,2}$/.test(given)) {
    throw new InvalidArgumentError('It must be a whole number of days from 1 to 999.');
  }
  return Number(given);
}

/** The commands as plain data, for what is written from them: completion scripts, the reference. */
import type { Argument, Command, Option } from 'commander';
import type { Described } from '../../src/config/index.js';
import { SettingOption, WordOption } from './options.js';

/** What a command line takes at a place. Of `words` others may be right as well. */
export type Value =
  | { readonly kind: 'none' }
  | { readonly kind: 'text' }
  | { readonly kind: 'file' }
  | { readonly kind: 'directory' }
  | { readonly kind: 'words'; readonly words: readonly string[] };

export interface DescribedOption {
  /** As help writes it: `--db <FILE>`, `-h, --help`. */
  readonly flags: string;
  /** As people give it: `['-h', '--help']`. */
  readonly names: readonly string[];
  readonly about: string;
  /** The heading it stands under: `Bridge address:`. */
  readonly group: string;
  readonly value: Value;
  readonly isList: boolean;
  /** The setting that the option gives; none when it belongs to the command alone. */
  readonly setting?: Described | undefined;
}

export interface DescribedArgument {
  /** As help writes it: `<question>`, `[message-id...]`. */
  readonly name: string;
  readonly about: string;
  readonly value: Value;
  readonly isVariadic: boolean;
}

export interface DescribedCommand {
  /** The words that lead to it; none for the program itself. */
  readonly path: readonly string[];
  readonly about: string;
  /** The heading it stands under: `Ask:`. */
  readonly group: string;
  /** `warmline dead show [options] <message-id>` */
  readonly usage: string;
  readonly arguments: readonly DescribedArgument[];
  readonly options: readonly DescribedOption[];
  /** What its help says in the end, if anything. */
  readonly note: string;
  /** The names and purposes of the commands inside it. */
  readonly commands: readonly { readonly name: string; readonly about: string }[];
}

/** The program and every command that its help shows, each before those inside it. */
export function describedCommands(program: Command): readonly DescribedCommand[] {
  return withCommands(program, [], []);
}

function withCommands(
  command: Command,
  path: readonly string[],
  siblings: readonly string[],
): DescribedCommand[] {
  const help = command.createHelp();
  const inside = help.visibleCommands(command);
  const names = inside.map((one) => one.name());
  const described = {
    path,
    about: command.description(),
    group: command.helpGroup(),
    usage: ['warmline', ...path, command.usage()].join(' '),
    arguments: command.registeredArguments.map((argument) => ({
      ...describedArgument(argument, command.name() === 'help' ? siblings : []),
      about: help.argumentDescription(argument),
    })),
    options: help.visibleOptions(command).map((option) => ({
      ...describedOption(option),
      about: help.optionDescription(option),
    })),
    note: noteOf(command),
    commands: inside.map((one) => ({ name: one.name(), about: one.description() })),
  };
  return [described, ...inside.flatMap((one) => withCommands(one, [...path, one.name()], names))];
}

function noteOf(command: Command): string {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  return help.slice(command.helpInformation().length).trim();
}

function describedOption(option: Option): Omit<DescribedOption, 'about'> {
  const { flags, short, long, argChoices = [] } = option;
  const setting = option instanceof SettingOption ? option.setting : undefined;
  const words = option instanceof WordOption ? option.words : argChoices;
  return {
    flags,
    names: [short, long].filter((name) => name !== undefined),
    group: option.helpGroupHeading ?? 'Options:',
    value: option.required || option.optional ? valueWritten(flags, words) : { kind: 'none' },
    isList: setting?.isList ?? option.variadic,
    setting,
  };
}

/** @param siblings the words that fit where the argument names a command */
function describedArgument(
  argument: Argument,
  siblings: readonly string[],
): Omit<DescribedArgument, 'about'> {
  const { argChoices = [], required, variadic } = argument;
  const name = `${argument.name()}${variadic ? '...' : ''}`;
  return {
    name: required ? `<${name}>` : `[${name}]`,
    value: valueWritten(name, [...argChoices, ...siblings]),
    isVariadic: variadic,
  };
}

/** How a value is written says what it is: `FILE`, `PATH`, `DIR`. */
function valueWritten(written: string, words: readonly string[]): Value {
  if (words.length > 0) return { kind: 'words', words };
  if (/\b(FILE|PATH)\b/.test(written)) return { kind: 'file' };
  if (/\bDIR\b/.test(written)) return { kind: 'directory' };
  return { kind: 'text' };
}

/**
 * How one setting is described. The description is the only source: flags, environment names, help
 * texts, checks, types and the reference in `docs/configuration.md` follow from it.
 */
import { z } from 'zod';

export interface About {
  /** What it decides, as a sentence without a full stop. */
  readonly about: string;
  /** What matters of it besides to the program that listens there, and not to its clients. */
  readonly aboutListening?: string | undefined;
  /** How the value is written in help texts, `MS`; empty for a switch. */
  readonly value: string;
  /** What a value must be, to end the sentence "… must be". */
  readonly expects: string;
  /** How text (of a variable or a flag) becomes a value; what it returns is checked afterwards. */
  readonly read: (text: string) => unknown;
  /** A path, or a list of paths, is taken relative to where it was written. */
  readonly isPath: boolean;
  /** Can be given several times; in a variable the values are separated by commas. */
  readonly isList: boolean;
  /** What people write here by mistake may be a secret: no error repeats it. */
  readonly isDelicate?: boolean;
  /** Values that a shell can offer; `expects` says whether others are right as well. */
  readonly words?: readonly string[];
}

const registry = z.registry<About>();

/** @throws Error when the schema was not made by a function of this file */
export function aboutOf(schema: z.ZodType): About {
  const about = registry.get(schema);
  if (about === undefined) throw new Error('a setting without a description');
  return about;
}

interface WholeOptions {
  readonly about: string;
  readonly aboutListening?: string;
  /** Name of the unit as help texts write it: `MS`, `BYTES`, `N`. */
  readonly unit: string;
  readonly min?: number;
  readonly max?: number;
}

/** Longest time a timer of the runtime can wait, in milliseconds: about 24 days. */
const MAX_TIMER_MS = 2_147_483_647;

export function whole(standard: number, options: WholeOptions) {
  const {
    about,
    aboutListening,
    unit,
    min = 0,
    max = unit === 'MS' ? MAX_TIMER_MS : 2 ** 40,
  } = options;
  return z
    .int()
    .min(min)
    .max(max)
    .default(standard)
    .register(registry, {
      about,
      aboutListening,
      value: unit,
      expects: `a whole number from ${min} to ${max}`,
      read: readWhole,
      isPath: false,
      isList: false,
    });
}

export function optionalWhole(options: WholeOptions) {
  const { about, unit, min = 0, max = 2 ** 40 } = options;
  return z
    .int()
    .min(min)
    .max(max)
    .optional()
    .register(registry, {
      about,
      value: unit,
      expects: `a whole number from ${min} to ${max}`,
      read: readWhole,
      isPath: false,
      isList: false,
    });
}

interface TextOptions {
  readonly about: string;
  readonly aboutListening?: string;
  readonly value: string;
  readonly words?: readonly string[];
}

const Text = z.string().min(1).max(4096);

export function text(standard: string, options: TextOptions) {
  return Text.default(standard).register(registry, { ...TEXT, ...options });
}

export function optionalText(options: TextOptions) {
  return Text.optional().register(registry, { ...TEXT, ...options });
}

/** The name of a variable whose value is a secret; people write the secret here by mistake. */
export function variableName(about: string) {
  return Text.regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/)
    .optional()
    .register(registry, {
      ...TEXT,
      about,
      value: 'NAME',
      expects: 'the name of a variable, not the key itself',
      isDelicate: true,
    });
}

/** An address without credentials: those have a place of their own. */
export function optionalUrl(options: TextOptions) {
  return Text.refine(isPlainUrl)
    .optional()
    .register(registry, {
      ...TEXT,
      ...options,
      expects: 'an http:// or https:// address without a user or password',
      isDelicate: true,
    });
}

/** Where something of ours is sent: encrypted, or not beyond this machine. */
export function optionalWebhook(about: string) {
  return Text.refine(isPrivateUrl)
    .optional()
    .register(registry, {
      ...TEXT,
      about,
      value: 'URL',
      expects:
        'an https:// address, or an http:// address on this machine, without a user or password',
      isDelicate: true,
    });
}

function isPrivateUrl(given: string): boolean {
  if (!isPlainUrl(given)) return false;
  const { protocol, hostname } = new URL(given);
  return protocol === 'https:' || /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
}

function isPlainUrl(given: string): boolean {
  if (!URL.canParse(given)) return false;
  const { protocol, username, password } = new URL(given);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

export function optionalPath(options: TextOptions) {
  return Text.optional().register(registry, { ...TEXT, ...options, isPath: true });
}

export function paths(standard: readonly string[], options: TextOptions) {
  return z
    .array(Text)
    .min(1)
    .default([...standard])
    .register(registry, { ...LIST, ...options, isPath: true });
}

/** A list of texts that each match `pattern`; `expects` says so in words. */
export function texts(
  pattern: RegExp,
  options: TextOptions & { readonly expects: string; readonly isDelicate?: boolean },
) {
  return z
    .array(Text.regex(pattern))
    .default([])
    .register(registry, { ...LIST, ...options });
}

/** A list that is not empty, or nothing. */
export function optionalList(options: TextOptions & { readonly expects: string }) {
  return z
    .array(Text)
    .min(1)
    .optional()
    .register(registry, { ...LIST, ...options });
}

export function optionalOneOf<const T extends string>(words: readonly T[], options: TextOptions) {
  return z
    .enum(words)
    .optional()
    .register(registry, { ...TEXT, ...options, words, expects: `one of ${words.join(', ')}` });
}

export function oneOf<const T extends string>(
  words: readonly T[],
  standard: NoInfer<T>,
  options: TextOptions,
) {
  return z
    .enum(words)
    .default(standard as never)
    .register(registry, { ...TEXT, ...options, words, expects: `one of ${words.join(', ')}` });
}

export function onOff(options: { readonly about: string }) {
  return z
    .boolean()
    .default(false)
    .register(registry, { ...SWITCHED, ...options });
}

export function optionalOnOff(options: { readonly about: string }) {
  return z
    .boolean()
    .optional()
    .register(registry, { ...SWITCHED, ...options });
}

export function portOrOff(standard: number, options: { readonly about: string }) {
  return z
    .union([z.literal('off'), z.int().min(0).max(65_535)])
    .default(standard)
    .register(registry, {
      ...options,
      value: 'PORT|off',
      expects: 'off or a whole number from 0 to 65535',
      read: readWhole,
      isPath: false,
      isList: false,
    });
}

const TEXT = {
  expects: 'a text that is not empty',
  read: (given: string): unknown => given,
  isPath: false,
  isList: false,
};

const SWITCHED = {
  value: '',
  expects: 'true or false',
  read: (given: string): unknown => SWITCH.get(given.toLowerCase()) ?? given,
  isPath: false,
  isList: false,
};

const LIST = {
  expects: 'a list of texts',
  read: (given: string): unknown =>
    given
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  isPath: false,
  isList: true,
};

const SWITCH = new Map([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
]);

function readWhole(given: string): unknown {
  return /^\d{1,15}$/.test(given) ? Number(given) : given;
}

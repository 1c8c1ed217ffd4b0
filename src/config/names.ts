/** The settings as one list, with the names people write them by. */
import { distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { ENGINE_KEYS, INHERITED } from './engine-keys.js';
import { type About, aboutOf } from './setting.js';
import { SECTIONS, type Section } from './settings.js';

export interface Described extends About {
  readonly section: Section;
  /** `contextRoot`, as code names it. */
  readonly key: string;
  /** `--context-root` */
  readonly flag: string;
  /** `WARMLINE_CONTEXT_ROOT` */
  readonly variable: string;
  /** `context_root`, in the config file. */
  readonly fileKey: string;
  /** What holds when nothing was given. */
  readonly standard: unknown;
  readonly schema: z.ZodType;
}

export const ENV_PREFIX = 'WARMLINE_';

/** All settings, or those of some sections, in the order of their description. */
export function describedSettings(sections?: readonly Section[]): readonly Described[] {
  return sections === undefined ? ALL : ALL.filter(({ section }) => sections.includes(section));
}

const ALL: readonly Described[] = Object.entries(SECTIONS).flatMap(([section, schema]) =>
  Object.entries(schema.shape).map(([key, setting]) =>
    describe(section as Section, key, setting as z.ZodType),
  ),
);

/** The keys of an `[engines.NAME]` table: those of its own, then the settings it may set otherwise. */
export function describedTable(): {
  readonly own: readonly Described[];
  readonly inherited: readonly Described[];
} {
  return TABLE;
}

const TABLE = {
  own: Object.entries(ENGINE_KEYS.shape).map(([key, setting]) => describe('engine', key, setting)),
  inherited: INHERITED.map((key) => ALL.find((setting) => setting.key === key) as Described),
};

function describe(section: Section, key: string, schema: z.ZodType): Described {
  const words = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return {
    ...aboutOf(schema),
    section,
    key,
    flag: `--${words.replaceAll('_', '-')}`,
    variable: ENV_PREFIX + words.toUpperCase(),
    fileKey: words,
    standard: schema.safeParse(undefined).data,
    schema,
  };
}

/** What a setting decides, for a reader who may run the bridge. */
export function wholeAbout({ about, aboutListening }: Described): string {
  return aboutListening === undefined ? about : `${about}; ${aboutListening}`;
}

/** A flag's text as a value, or what it should have been. A list flag gives one item at a time. */
export function readFlag(
  setting: Described,
  given: string,
):
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly expects: string } {
  const checked = setting.schema.safeParse(setting.isList ? [given] : setting.read(given));
  if (!checked.success) return { ok: false, expects: setting.expects };
  return { ok: true, value: setting.isList ? given : checked.data };
}

/** The name nearest to one that nobody knows. */
export function nearest(unknown: string, known: readonly string[]): string {
  const far = (name: string) => distance(name.toLowerCase(), unknown.toLowerCase());
  return known.reduce((best, name) => (far(name) < far(best) ? name : best));
}

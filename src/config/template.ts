/** A config file to start from, written from the description of the settings. */
import { KINDS_OF } from './engine-keys.js';
import { type Described, describedSettings, describedTable, wholeAbout } from './names.js';
import { sectionTitle } from './reference.js';

const INTRODUCTION = `# Settings of warmline, for all its commands that run in this directory or get --config.
# Flags and WARMLINE_ variables win over this file. docs/configuration.md says more.
#
# What is set comes first. Below is all the rest, by subject: a line that begins with "#" and no
# blank is a setting with its default, or, in capitals, with what its value has to be.`;

const ENGINES = `# Several engines run at once with a table for each, at the end of the file; docs/engines says
# more. Other settings can be set in a table as well, for that engine alone.
#
#[engines.NAME]`;

/** Longest line of a comment, in characters. */
const WIDTH = 98;

/**
 * @param given values by the key of their setting (`contextRoot`), which are set; all others are
 *   there as comments
 */
export async function settingsTemplate(given: ReadonlyMap<string, unknown>): Promise<string> {
  const { stringify } = await import('smol-toml');
  const line = ({ fileKey }: Described, value: unknown) =>
    stringify({ [fileKey]: value }).trimEnd();
  const set = (setting: Described) =>
    `${comment(wholeAbout(setting))}\n${line(setting, given.get(setting.key))}`;
  const unset = (setting: Described, about: string) =>
    `${comment(about)}\n#${line(setting, example(setting))}`;
  const all = describedSettings();
  const sections = [...new Set(all.map(({ section }) => section))].map((section) => {
    const rest = all.filter((setting) => setting.section === section && !given.has(setting.key));
    const entries = rest.map((setting) => unset(setting, wholeAbout(setting)));
    return [heading(sectionTitle(section)), ...entries].join('\n');
  });
  const table = describedTable().own.map((setting) => {
    const kinds = KINDS_OF[setting.key];
    const only = kinds === undefined ? '' : ` (for ${kinds.join(', ')})`;
    return unset(setting, setting.about + only);
  });
  return `${[
    INTRODUCTION,
    all
      .filter(({ key }) => given.has(key))
      .map(set)
      .join('\n'),
    ...sections,
    [heading('Engines'), ENGINES, ...table].join('\n'),
  ].join('\n\n')}\n`;
}

function heading(title: string): string {
  return `# ---- ${title} ----`;
}

function comment(text: string): string {
  const lines = text.match(new RegExp(`.{1,${WIDTH - 2}}(?= |$)`, 'g')) ?? [];
  return lines.map((line) => `# ${line.trim()}`).join('\n');
}

/** The default, or the kind of value that help texts write. */
function example({ standard, value, isList }: Described): unknown {
  if (standard !== undefined) return standard;
  if (value === '') return true;
  return isList ? [value] : value;
}

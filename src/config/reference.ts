/** `docs/configuration.md`, written from the description of the settings. */
import { type Described, describedSettings, wholeAbout } from './names.js';
import type { Section } from './settings.js';

const TITLES: Record<Section, string> = {
  address: 'Address of the bridge',
  server: 'Server',
  engine: 'Engine',
  context: 'Context files',
  sessions: 'Sessions',
  turns: 'Turns',
  bus: 'Memory bus',
  autopoll: 'Autopoll',
  process: 'Processes',
};

const INTRODUCTION = `# Configuration

<!-- Written from \`src/config/settings.ts\` by \`npm run docs:config\`; a test compares. -->

A setting is looked for in four places; the first that has it wins:

1. a flag of the command, \`--context-root docs\`;
2. a variable, \`WARMLINE_CONTEXT_ROOT=docs\`; an empty one counts as not given;
3. the config file, \`context_root = ["docs"]\`: the one named by \`--config FILE\` or
   \`WARMLINE_CONFIG\`, otherwise \`warmline.toml\` in the working directory when there is one;
4. the default below.

The file is TOML with plain keys, one file for all commands. An unknown key or \`WARMLINE_\` variable
is an error that suggests the nearest one (exit code 78), and so is a value of the wrong type. A flag
that can be given several times is a list in the file, and separated by commas in a variable.
Relative paths start at the working directory, in a config file at the directory of that file.
The token is read from a file only, never from a flag or a variable.

\`\`\`toml
# warmline.toml
port = 9999
context_root = ["docs", "/srv/shards/memory"]
db = ".memory_bus/distributed_memory.db"
max_sessions = 8
\`\`\`

MS stands for milliseconds throughout.
`;

/** The whole document, in Markdown. */
export function settingsReference(): string {
  const sections = Object.entries(TITLES).map(([section, title]) => {
    const rows = describedSettings([section as Section]).map(row);
    return [
      `## ${title}`,
      '',
      '| file key | flag | default | what it decides |',
      '|---|---|---|---|',
      ...rows,
    ].join('\n');
  });
  return `${[INTRODUCTION, ...sections].join('\n')}\n`.replaceAll('|\n##', '|\n\n##');
}

function row(setting: Described): string {
  const flag = [setting.flag, setting.value.replaceAll('|', '\\|')].join(' ').trim();
  const repeat = setting.isList ? ' (several times)' : '';
  return `| \`${setting.fileKey}\` | \`${flag}\`${repeat} | ${standard(setting)} | ${wholeAbout(setting)} |`;
}

function standard({ standard }: Described): string {
  if (standard === undefined || (Array.isArray(standard) && standard.length === 0)) return '';
  return `\`${Array.isArray(standard) ? standard.join(', ') : String(standard)}\``;
}

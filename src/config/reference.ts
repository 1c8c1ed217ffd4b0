/** `docs/configuration.md`, written from the description of the settings. */
import { KINDS_OF } from './engine-keys.js';
import { type Described, describedSettings, describedTable, wholeAbout } from './names.js';
import type { Section } from './settings.js';

const TITLES: Record<Section, string> = {
  address: 'Address of the bridge',
  server: 'Server',
  http: 'HTTP door',
  engine: 'The default engine',
  context: 'Context files',
  sessions: 'Sessions',
  turns: 'Turns',
  bus: 'Memory bus',
  autopoll: 'Autopoll',
  warnings: 'Warnings',
  mcp: 'MCP server',
  process: 'Processes',
};

const INTRODUCTION = `# Configuration

<!-- Written from \`src/config/settings.ts\` and \`engine-keys.ts\` by \`npm run docs:config\`; a test compares. -->

A setting is looked for in four places; the first that has it wins:

1. a flag of the command, \`--context-root docs\`;
2. a variable, \`WARMLINE_CONTEXT_ROOT=docs\`; an empty one counts as not given;
3. the config file, \`context_root = ["docs"]\`: the one named by \`--config FILE\` or
   \`WARMLINE_CONFIG\`, otherwise \`warmline.toml\` in the working directory when there is one;
4. the default below.

The file is TOML, one file for all commands: plain keys, and a table for each engine where there are
several ([below](#engines)). An unknown key or \`WARMLINE_\` variable
is an error that suggests the nearest one (exit code 78), and so is a value of the wrong type. A flag
that can be given several times is a list in the file, and separated by commas in a variable.
Relative paths start at the working directory, in a config file at the directory of that file.
The token is read from a file only, never from a flag or a variable; the key of a model API from a
file or from a variable whose name is given. Neither may be written into the config file.

\`\`\`toml
# warmline.toml
port = 9999
context_root = ["docs", "/srv/shards/memory"]
db = ".memory_bus/distributed_memory.db"
max_sessions = 8
\`\`\`

MS stands for milliseconds throughout.
`;

/** The settings a table may set otherwise, wrapped as the text around them. */
const INHERITED_NAMES = describedTable()
  .inherited.map(({ fileKey }) => `\`${fileKey}\``)
  .join(', ')
  .replace(/(.{60,85}?,) /g, '$1\n  ');

const ENGINES = `## Engines

The settings above are enough for one engine. Several run at once when the config file has a table
for each:

\`\`\`toml
engine = "claude"               # answers unless a question's model says otherwise

[engines.claude]
max_sessions = 2
aliases = ["sonnet", "smart"]
fallback = "local"

[engines.local]
kind = "openai"
base_url = "http://127.0.0.1:11434/v1"
model = "llama3.2"
first_byte_ms = 300000

[engines.docs]
kind = "extract"
\`\`\`

- Each has its own sessions, line and clocks: a slow one delays no other.
- The \`model\` of a question chooses an engine by its name, an alias or its model; a word with the
  prefix \`max/\` chooses the claude engine. A model that no engine claims goes to the default engine.
- \`engine\` and \`fallback\` name a table, or a kind that needs no settings (\`fallback = "extract"\`).
- A \`fallback\` answers while its engine cannot: it does not start, its login is gone, its limit is
  used up, it is overloaded. The reply names the engine that answered. A conversation (\`session\`)
  does not move along: the fall-back knows only what it was asked itself. What an engine began to
  stream it also ends, and a question that fails for its own sake is not tried elsewhere.
- A setting of the same name (${INHERITED_NAMES}) holds for every engine; in a table it holds for that engine alone. For the default
  engine a flag or a variable wins over its table.
- Autopoll gives each question \`turn_timeout_ms\` of its own: a longer one in a table needs a longer
  one there.

| key of \`[engines.NAME]\` | for | what it decides |
|---|---|---|
`;

/** The heading that a section has in `docs/configuration.md`. */
export function sectionTitle(section: Section): string {
  return TITLES[section];
}

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
  const tables = ENGINES + describedTable().own.map(tableRow).join('\n');
  const end = Object.keys(TITLES).indexOf('engine') + 1;
  const parts = [INTRODUCTION, ...sections.slice(0, end), tables, ...sections.slice(end)];
  return `${parts.join('\n')}\n`.replaceAll('|\n##', '|\n\n##');
}

function tableRow({ key, fileKey, about }: Described): string {
  const kinds = KINDS_OF[key]?.join(', ') ?? 'all';
  return `| \`${fileKey}\` | ${kinds} | ${about} |`;
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

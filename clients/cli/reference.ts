/** `docs/cli.md`, written from the description of the commands. */
import { describedSettings, type Section, sectionTitle } from '../../src/config/index.js';
import type { DescribedCommand, DescribedOption } from './description.js';
import { EXIT_MEANINGS } from './failure.js';
import { USAGE } from './usage.js';

const INTRODUCTION = `# Command line

<!-- Written from the commands in \`clients/cli\` by \`npm run docs:cli\`; a test compares. -->

Every command has \`--help\`, and \`--json\` where it prints data. Data goes to standard output, logs and
complaints to standard error; there is colour on a terminal only (\`NO_COLOR\` turns it off). Options
that are settings can also come from a variable or from \`warmline.toml\`:
[configuration.md](configuration.md) says how, and what each decides. MS stands for milliseconds.
`;

/** The whole document, in Markdown. */
export function commandReference(commands: readonly DescribedCommand[]): string {
  const own = commands.filter(({ path }) => path.length > 0 && path.at(-1) !== 'help');
  const exits = Object.entries(EXIT_MEANINGS).map(([code, meaning]) => [code, meaning]);
  return `${[
    INTRODUCTION,
    table(['exit code', ''], exits),
    ...overview(own),
    ...own.map(section),
  ].join('\n')}`;
}

function overview(commands: readonly DescribedCommand[]): string[] {
  const groups = new Set(commands.map(({ group }) => group).filter((group) => group !== ''));
  return [...groups].map((group) => {
    const rows = commands
      .filter((command) => command.group === group)
      .map((command) => [link(command), command.about]);
    return table([group.replace(/:$/, ''), ''], rows);
  });
}

function link({ path }: DescribedCommand): string {
  return `[\`${path.join(' ')}\`](#warmline-${path.join('-')})`;
}

function section(command: DescribedCommand): string {
  const name = command.path.join(' ');
  const { examples = [], exits = {} } = USAGE[name] ?? {};
  const given = command.arguments.map(({ name, about }) => [`\`${name}\``, about]);
  const own = command.options
    .filter(({ setting, names }) => setting === undefined && !names.includes('--help'))
    .map(({ flags, about }) => [`\`${flags}\``, about]);
  const lines = examples.map(([line, about]) => `# ${about}\n${line}`);
  const codes = Object.entries(exits).map(([code, meaning]) => `Exit code ${code}: ${meaning}.\n`);
  const inside = command.commands.filter(({ name }) => name !== 'help');
  return [
    `## warmline ${name}\n`,
    `${sentence(command.about)}\n`,
    `\`\`\`text\n${command.usage}\n\`\`\`\n`,
    ...(inside.length === 0
      ? []
      : [
          `Commands: ${inside.map((one) => link({ ...command, path: [...command.path, one.name] })).join(', ')}.\n`,
        ]),
    ...(given.length === 0 ? [] : [table(['argument', ''], given)]),
    ...(own.length === 0 ? [] : [table(['option', ''], own)]),
    ...settings(command),
    ...(command.note === '' ? [] : [`\`\`\`text\n${command.note}\n\`\`\`\n`]),
    ...(lines.length === 0 ? [] : [`\`\`\`sh\n${lines.join('\n')}\n\`\`\`\n`]),
    ...codes,
  ].join('\n');
}

/** The settings a command takes, by the section of the configuration that explains them. */
function settings({ options }: DescribedCommand): string[] {
  const bySection = new Map<Section, string[]>();
  for (const option of options) {
    if (option.setting === undefined) continue;
    const { section } = option.setting;
    bySection.set(section, [...(bySection.get(section) ?? []), settingText(option)]);
  }
  if (bySection.size === 0) return [];
  const rows = [...bySection].map(([section, texts]) => {
    const title = sectionTitle(section);
    const anchor = title.toLowerCase().replaceAll(' ', '-');
    return [`[${title}](configuration.md#${anchor})`, texts.join(', ')];
  });
  return [table(['settings', 'option (default)'], rows)];
}

function settingText({ flags, setting }: DescribedOption): string {
  const alias = describedSettings().find(({ key }) => key === setting?.key)?.flag;
  if (alias !== undefined && alias !== setting?.flag) return `\`${flags}\` (as \`${alias}\`)`;
  const standard = [setting?.standard ?? []].flat().filter((one) => one !== false);
  return standard.length === 0 ? `\`${flags}\`` : `\`${flags}\` (${standard.join(', ')})`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

function table(
  headings: readonly string[],
  rows: readonly (readonly (string | undefined)[])[],
): string {
  const line = (cells: readonly (string | undefined)[]) =>
    `| ${cells.map((cell = '') => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return `${[line(headings), line(headings.map(() => '---')), ...rows.map(line)].join('\n')}\n`;
}

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { describedCommands } from '../../clients/cli/description.js';
import { describeProgram } from '../../clients/cli/program.js';
import { commandReference } from '../../clients/cli/reference.js';
import { USAGE } from '../../clients/cli/usage.js';

const COMMANDS = describedCommands(describeProgram());
const OWN = COMMANDS.filter(({ path }) => path.length > 0 && path.at(-1) !== 'help');
const REFERENCE = join(import.meta.dirname, '../../docs/cli.md');

test('docs/cli.md is what the commands say (npm run docs:cli writes it)', async () => {
  await expect(commandReference(COMMANDS)).toMatchFileSnapshot(REFERENCE);
});

test('the reference names every command with all its arguments and options', () => {
  const text = commandReference(COMMANDS);
  for (const { path, options, arguments: given } of OWN) {
    const section = text.split(`## warmline ${path.join(' ')}\n`)[1]?.split('\n## ')[0] ?? '';
    for (const { flags } of options.filter(({ names }) => !names.includes('--help'))) {
      expect(section).toContain(`\`${flags.replaceAll('|', '\\|')}\``);
    }
    for (const { name } of given) expect(section).toContain(`\`${name}\``);
  }
  expect(OWN.length).toBeGreaterThan(18);
});

test('every command that does something has an example, and every example a command', () => {
  const working = OWN.filter(
    ({ commands, arguments: given }) => commands.length === 0 || given.length > 0,
  );
  expect(Object.keys(USAGE).sort()).toEqual(working.map(({ path }) => path.join(' ')).sort());
});

const EXAMPLES = Object.entries(USAGE).flatMap(([name, { examples }]) =>
  examples.map(([line]) => [name, line] as const),
);

test.each(EXAMPLES)('the example of %s is one that its command takes: %s', async (name, line) => {
  const taken: string[] = [];
  const program = describeProgram();
  replaceActions(program, [], (path) => taken.push(path.join(' ')));
  const printed = execFileSync('bash', ['-c', `warmline() { printf '%s\\0' "$@"; }; ${line}`]);
  const words = printed.toString().split('\0').slice(0, -1);
  await program.parseAsync(words, { from: 'user' });
  expect(taken).toEqual([name]);
});

/** Parses as ever, and does nothing then. */
function replaceActions(
  command: Command,
  path: readonly string[],
  take: (path: readonly string[]) => void,
): void {
  if (path.length > 0) command.action(() => take(path));
  for (const inside of command.commands) replaceActions(inside, [...path, inside.name()], take);
}

import { Command } from 'commander';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { flagsOf, toCommandLine, withSettings } from '../../clients/cli/options.js';
import { addQueueCommands } from '../../clients/cli/queue-commands.js';
import { type Described, describedSettings, type Section } from '../../src/config/index.js';

const SECTIONS = [...new Set(describedSettings().map(({ section }) => section))] as Section[];

/** What a program with every flag makes of a command line. */
function parse(words: readonly string[]) {
  const command = withSettings(new Command().exitOverride(), ...SECTIONS);
  command.configureOutput({ writeErr: () => undefined });
  return flagsOf(command.parse([...words], { from: 'user' }).opts(), SECTIONS);
}

const Text = fc.string({ minLength: 1, maxLength: 20 });
const Origin = fc.domain().map((name) => `https://${name}`);
const Id = fc.stringMatching(/^conv_[a-f0-9]{16}$/);

/** Values the setting takes as a flag, whatever they look like on a command line. */
function values(setting: Described): fc.Arbitrary<unknown> {
  const { key, isList, value, schema } = setting;
  if (value === '') return fc.constant(true);
  if (key === 'conversation') return fc.array(Id, { minLength: 1, maxLength: 3 });
  if (key === 'httpName') return fc.array(fc.domain(), { minLength: 1, maxLength: 3 });
  if (key === 'httpOrigin') return fc.array(Origin, { minLength: 1, maxLength: 3 });
  const one = value === 'URL' ? fc.webUrl({ validSchemes: ['https'] }) : Text;
  if (isList) return fc.array(one, { minLength: 1, maxLength: 3 });
  if (value === 'URL') return one;
  const any = fc.oneof(fc.nat(4000), Text, fc.constantFrom('off', 'a', 'b', 'extract', 'info'));
  return any.filter((given) => schema.safeParse(given).success);
}

test('flags given to another process of ours arrive as they were, whatever is in them', () => {
  const settings = describedSettings().map((setting) =>
    fc.option(values(setting), { nil: undefined }).map((given) => [setting.key, given] as const),
  );
  fc.assert(
    fc.property(fc.tuple(...settings), (given) => {
      const flags = Object.fromEntries(given);
      expect(parse(toCommandLine(flags, SECTIONS))).toEqual(flagsOf(flags, SECTIONS));
    }),
  );
});

test('a flag of a section that the other process does not know is left out', () => {
  const flags = { port: 1, concurrency: 3, config: 'x.toml' };
  expect(toCommandLine(flags, ['address'])).toEqual(['--config=x.toml', '--port=1']);
});

test('an option of a command that bears the name of a setting is not taken for it', () => {
  expect(flagsOf({ context: 'GUIDE.md', port: 1 }, ['address'])).not.toHaveProperty('context');
});

test.each(['0', '-1', '10001', '99999999', '1e3', ''])(
  'a page of dead letters of "%s" is refused',
  (limit) => {
    expect(() => parseDead(['--limit', limit])).toThrow(/from 1 to 10000/);
    expect(parseDead(['--limit', '10000'])).toMatchObject({ limit: 10_000 });
  },
);

function parseDead(words: readonly string[]) {
  const program = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addQueueCommands({
    command: (name, summary) => program.command(name).description(summary),
    run: () => async () => undefined,
  });
  program.parse(['dead', ...words], { from: 'user' });
  return program.commands.find((command) => command.name() === 'dead')?.opts();
}

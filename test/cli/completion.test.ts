import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { completionScript } from '../../clients/cli/completion/index.js';
import { SHELLS, type Shell } from '../../clients/cli/completion/shells.js';
import { type DescribedCommand, describedCommands } from '../../clients/cli/description.js';
import { describeProgram } from '../../clients/cli/program.js';
import { tempDir, warmline } from '../support/process.js';
import { KEYS, Terminal } from '../support/terminal.js';

const COMMANDS = describedCommands(describeProgram());
const SIZE = { columns: 160, rows: 60 };

beforeAll(() => {
  for (const shell of SHELLS) {
    try {
      execFileSync(shell, ['--version'], { stdio: 'ignore' });
    } catch (cause) {
      throw new Error(`these tests need ${shell}: apt-get install bash zsh fish`, { cause });
    }
  }
});

/** A shell as a person has it, with the script loaded, in a directory with a few files. */
function openShell(shell: Shell, commands: readonly DescribedCommand[] = COMMANDS) {
  const dir = tempDir();
  const script = join(dir, '.script');
  writeFileSync(script, completionScript(shell, commands));
  for (const name of ['bus.db', 'we ird;$(touch hacked).db', 'document', '.inputrc', '.zshrc']) {
    writeFileSync(join(dir, name), STARTING[name] ?? '');
  }
  mkdirSync(join(dir, 'docs'));
  // What a TAB would start leaves a trace.
  const bin = join(dir, 'bin');
  mkdirSync(bin);
  for (const name of ['warmline', 'node']) {
    writeFileSync(join(bin, name), `#!/bin/sh\ntouch ${dir}/started\n`, { mode: 0o755 });
  }
  writeFileSync(join(dir, '.bashrc'), `PS1='$ '\nsource ${script}\n`);
  const words = {
    bash: ['bash', '--noprofile', '--rcfile', join(dir, '.bashrc'), '-i'],
    zsh: ['zsh', '-d', '-i'],
    fish: ['fish', '--no-config', '-i', '-C', `${FISH}; source ${script}`],
  };
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    HOME: dir,
    ZDOTDIR: dir,
    INPUTRC: join(dir, '.inputrc'),
    XDG_CONFIG_HOME: dir,
    XDG_DATA_HOME: dir,
  };
  return { dir, terminal: new Terminal(words[shell], { cwd: dir, env }, SIZE) };
}

const STARTING: Readonly<Record<string, string>> = {
  '.inputrc': 'set show-all-if-ambiguous on\nset bell-style none\nset completion-query-items 0\n',
  // By itself TAB would also expand what stands at the cursor, whoever completes it.
  '.zshrc':
    "PS1='$ '; autoload -U compinit; compinit -u -D; bindkey '^I' complete-word; source .script\n",
};

const FISH =
  "set fish_greeting; set -g fish_autosuggestion_enabled 0; function fish_prompt; echo -n '$ '; end";

const CTRL_U = '\u0015';

/** What becomes of a line when TAB is pressed at its end. */
const COMPLETED: readonly (readonly [typed: string, then: string])[] = [
  ['warmline sta', 'warmline stats'],
  ['warmline dead sh', 'warmline dead show'],
  ['warmline help metr', 'warmline help metrics'],
  ['warmline completion fi', 'warmline completion fish'],
  ['warmline up --json --log-level deb', 'warmline up --json --log-level debug'],
  ['warmline up --log-level=deb', 'warmline up --log-level=debug'],
  ['warmline serve --engine anth', 'warmline serve --engine anthropic'],
  ['warmline up --db bu', 'warmline up --db bus.db'],
  ['warmline up --context-root do', 'warmline up --context-root docs/'],
  ['warmline dead --db stats --json sh', 'warmline dead --db stats --json show'],
  ['warmline poll list --status pend', 'warmline poll list --status pending'],
  ['warmline up --adaptive-c', 'warmline up --adaptive-ceiling-ms'],
];

/** The line as it is after the TAB. */
async function pressTab(terminal: Terminal, typed: string): Promise<string> {
  // The mark comes after what the TAB did.
  terminal.type(`${typed}${KEYS.tab}`);
  terminal.type('@');
  const [, line = ''] = await terminal.shows(/^\$ (.*)@$/m);
  terminal.type(CTRL_U);
  await terminal.shows(/^\$$/m);
  return line;
}

for (const shell of SHELLS) {
  test(`${shell} completes commands, options, choices, files and directories`, async () => {
    const { dir, terminal } = openShell(shell);
    await terminal.shows(/^\$$/m);
    for (const [typed, then] of COMPLETED) {
      // What a shell adds at the end is its own taste: a blank, or the sign before a value.
      expect((await pressTab(terminal, typed)).replace(/[= ]$/, ''), typed).toBe(then);
    }
    expect(existsSync(join(dir, 'started'))).toBe(false);
  });

  test(`${shell} offers the options of the command at hand, and no others`, async () => {
    const { terminal } = openShell(shell);
    await terminal.shows(/^\$$/m);
    terminal.type(`warmline backup --${KEYS.tab}`);
    const own = COMMANDS.find(({ path }) => path.join() === 'backup')?.options ?? [];
    const names = own.flatMap((option) => option.names).filter((name) => name.startsWith('--'));
    expect(names).toEqual(expect.arrayContaining(['--db', '--out', '--help']));
    await terminal.until(({ text }) => names.every((name) => new RegExp(`${name}\\b`).test(text)));
    expect(terminal.text).not.toMatch(/--(port|concurrency|wait)\b/);
  });

  test(`${shell} runs nothing of what was typed, of a file name or of a description`, async () => {
    const program = new Command('warmline').description('x');
    const hostile = `it's $(touch hacked) \`touch hacked\` "$(touch hacked)" \\'; touch hacked # [a]:b\n!!`;
    program
      .command('stats')
      .description(hostile)
      .option('--json', hostile)
      .option('--db <FILE>', hostile);
    program.command('start').description(hostile);
    const { dir, terminal } = openShell(shell, describedCommands(program));
    await terminal.shows(/^\$$/m);
    expect(await pressTab(terminal, 'warmline stat')).toBe('warmline stats ');
    expect((await pressTab(terminal, 'warmline stats --js')).trimEnd()).toBe(
      'warmline stats --json',
    );
    const file = await pressTab(terminal, 'warmline stats --db we');
    expect(file).toMatch(/we.*ird.*\.db/);
    for (const typed of [
      '$(touch hacked)',
      '`touch hacked`',
      "'; touch hacked; '",
      '--db=$(touch hacked)',
    ]) {
      await pressTab(terminal, `warmline stats ${typed} --js`);
      await pressTab(terminal, `warmline stats --db ${typed}`);
    }
    expect(existsSync(join(dir, 'hacked'))).toBe(false);
  });

  test(`${shell} takes a script with any description for one that is whole`, () => {
    const file = join(tempDir(), 'script');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), (about) => {
        const program = new Command('warmline').description(about);
        program.command('one').description(about).option('--db <FILE>', about);
        writeFileSync(file, completionScript(shell, describedCommands(program)));
        execFileSync(shell, ['-n', file], { stdio: 'pipe' });
      }),
      { numRuns: 20, examples: [["'"], ["\\'"], ['\\'], ['$(x'], ['`'], [']:['], ['\n'], ['${']] },
    );
  });
}

test('zsh and fish find the script where it is to be installed', async () => {
  const zsh = openShell('zsh');
  mkdirSync(join(zsh.dir, '.zfunc'));
  writeFileSync(join(zsh.dir, '.zfunc/_warmline'), completionScript('zsh', COMMANDS));
  writeFileSync(join(zsh.dir, '.zshrc'), STARTING['.zshrc']?.replace(/source.*/, '') ?? '');
  zsh.terminal.type('fpath=(~/.zfunc $fpath); compinit -u -D; clear\r');
  await zsh.terminal.until(({ text }) => text === '$');
  expect(await pressTab(zsh.terminal, 'warmline dead sh')).toBe('warmline dead show ');

  const home = tempDir();
  mkdirSync(join(home, 'fish/completions'), { recursive: true });
  const file = join(home, 'fish/completions/warmline.fish');
  writeFileSync(file, completionScript('fish', COMMANDS));
  const shown = execFileSync('fish', ['-c', 'complete -C "warmline dead sh"'], {
    encoding: 'utf8',
    // fish asks for a command of that name first; it does not run it.
    env: { PATH: `${join(zsh.dir, 'bin')}:${process.env.PATH}`, HOME: home, XDG_CONFIG_HOME: home },
  });
  expect(shown).toMatch(/^show\t/);
  expect(existsSync(join(zsh.dir, 'started'))).toBe(false);
});

test('a word that means something to a shell is not made a word of a script', () => {
  const program = new Command('warmline');
  program.command('a;b').description('x');
  for (const shell of SHELLS) {
    expect(() => completionScript(shell, describedCommands(program))).toThrow(/"a;b"/);
  }
});

/** The options of every command, as a line for each. */
const ALL = COMMANDS.filter(({ options }) => options.length > 0).map(({ path, options }) => ({
  path: path.join(' '),
  options: options.flatMap(({ names }) => names).sort(),
}));

/** Prints what is offered for the last of some words. */
const OFFERED = `offered() {
  COMP_WORDS=(warmline "$@") COMP_CWORD=$#
  _warmline
  echo "\${COMPREPLY[*]}"
}`;

test('bash offers every option of every command', () => {
  const script = join(tempDir(), 'script');
  writeFileSync(script, completionScript('bash', COMMANDS));
  const lines = ALL.map(({ path }) => `offered ${path} -`);
  const shown = execFileSync('bash', ['-c', [`source ${script}`, OFFERED, ...lines].join('\n')], {
    encoding: 'utf8',
  });
  const offered = shown.trimEnd().split('\n');
  expect(offered.map((line) => line.split(' ').sort())).toEqual(ALL.map(({ options }) => options));
});

test('fish offers every option of every command, with what it is for', () => {
  const script = join(tempDir(), 'script');
  writeFileSync(script, completionScript('fish', COMMANDS));
  const lines = ALL.map(({ path }) => `complete -C 'warmline ${path} -'; echo`);
  const shown = execFileSync(
    'fish',
    ['--no-config', '-c', [`source ${script}`, ...lines].join('\n')],
    {
      encoding: 'utf8',
    },
  );
  const offered = shown
    .trimEnd()
    .split('\n\n')
    .map((block) => block.split('\n'));
  const names = offered.map((block) => block.map((line) => line.split('\t')[0] ?? '').sort());
  expect(names).toEqual(ALL.map(({ options }) => options));
  expect(offered.flat().filter((line) => !/\t./.test(line))).toEqual([]);
});

test('zsh knows every option of every command', () => {
  const script = completionScript('zsh', COMMANDS);
  for (const { path, options } of ALL) {
    const name = ['_warmline', ...path.split(' ')].filter(Boolean).join('__').replaceAll('-', '_');
    const body = new RegExp(`^${name}\\(\\) \\{\n([\\s\\S]*?)^\\}`, 'm').exec(script)?.[1] ?? '';
    const specs = [...body.matchAll(/^ {4}'(?:\([^)]*\))?\*?(-[\w-]+)/gm)].map(([, flag]) => flag);
    expect(specs.sort(), name).toEqual(options);
  }
});

test('warmline completion prints the script of a shell, and how to install it', async () => {
  for (const shell of SHELLS) {
    const { code, stdout, stderr } = await warmline(['completion', shell]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe(completionScript(shell, COMMANDS));
  }
  const { stdout } = await warmline(['completion', '--help']);
  expect(stdout).toMatch(/bash-completion[\s\S]*_warmline[\s\S]*warmline\.fish/);
  expect(await warmline(['completion', 'tcsh'])).toMatchObject({ code: 2, stdout: '' });
  expect(await warmline(['completion'])).toMatchObject({ code: 2, stdout: '' });
});

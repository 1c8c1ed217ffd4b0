/** The commands that need nothing running: to try it out. */
import { Argument } from 'commander';
import { SHELLS } from './completion/shells.js';
import type { Frame } from './frame.js';
import { milliseconds, withSetting, withSettings } from './options.js';
import { CHECKED } from './sections.js';

export function addSetupCommands({ command, run }: Frame): void {
  withSettings(
    command('init', 'write a commented config file, and check whether warmline can run with it')
      .option('--create', 'make an empty bus when the file does not exist')
      .option('--print', 'print the file instead, and write and check nothing')
      .option('--force', 'replace a file that is there already')
      .option('--json', 'print what was written and found as JSON')
      .addHelpText('after', WRITING),
    ...CHECKED,
  ).action(run(async () => (await import('./commands/init.js')).init));

  withSetting(
    command('demo', 'show the whole way of a question, on a bus made for it').option(
      '--once',
      'stop after the answer',
    ),
    'port',
  ).action(run(async () => (await import('./commands/demo.js')).demo));

  command('fake-model', 'run a model API without a model, to try engines out')
    .option('--host <HOST>', 'loopback address to listen on', '127.0.0.1')
    .option('--port <N>', 'port to listen on; 0 takes a free one', '0')
    .option('--delay-ms <MS>', 'silence before each answer', milliseconds)
    .option('--script <WORDS>', 'what to do with every request, such as "status=429 reset=60"')
    .option('--json', 'log in JSON lines on a terminal, too')
    .action(run(async () => (await import('./commands/fake-model.js')).fakeModel));

  command('completion', 'print a script that completes the words of warmline in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', INSTALLING)
    .action(run(async () => (await import('./commands/completion.js')).completion));
}

const WRITING = `
A setting given as a flag is set in the file, all others are there as comments with their defaults.
The file is warmline.toml here, or what --config names. The checks are those of "warmline doctor".`;

const INSTALLING = `
To have it in every shell of this user:
  bash  mkdir -p ~/.local/share/bash-completion/completions
        warmline completion bash > ~/.local/share/bash-completion/completions/warmline
        (without the package bash-completion, in ~/.bashrc: source <(warmline completion bash))
  zsh   mkdir -p ~/.zfunc && warmline completion zsh > ~/.zfunc/_warmline
        (in ~/.zshrc: fpath=(~/.zfunc $fpath); autoload -U compinit; compinit)
  fish  warmline completion fish > ~/.config/fish/completions/warmline.fish

Write it again after an update: it completes the words of the version that wrote it.
`;

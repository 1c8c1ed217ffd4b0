/** Completion for fish 3 and newer. */
import { printableLine } from '../../../src/text.js';
import type { DescribedCommand, Value } from '../description.js';
import { requirePlain } from './plain.js';

/** A list of facts, each with the command it holds for; no program is run to complete a word. */
export function fishCompletion(commands: readonly DescribedCommand[]): string {
  const valued = commands.flatMap(({ path, options }) =>
    options
      .filter(({ value }) => value.kind !== 'none')
      .flatMap(({ names }) => names.map((name) => quoted([...path, requirePlain(name)].join(' ')))),
  );
  const inside = commands.slice(1).map(({ path }) => quoted(path.map(requirePlain).join(' ')));
  return `# Completion of warmline for fish 3 and newer. Written by: warmline completion fish

# Whether the words so far lead to a command, and to so many arguments of it.
function __warmline_at
    set -l commands ${inside.join(' ')}
    set -l valued ${valued.join(' ')}
    set -l words (commandline -opc)
    set -l command ''
    set -l place 0
    set -l skip no
    set -l only_arguments no
    for word in $words[2..-1]
        if test $skip = yes
            set skip no
        else if test $only_arguments = no -a "x$word" = x--
            set only_arguments yes
        else if test $only_arguments = no; and string match -q -- '-*' "$word"
            if contains -- (string trim -- "$command $word") $valued
                set skip yes
            end
        else if test $place -eq 0; and contains -- (string trim -- "$command $word") $commands
            set command (string trim -- "$command $word")
        else
            set place (math $place + 1)
        end
    end
    test "x$command" = "x$argv[1]"
    and begin
        test (count $argv) -eq 1
        or test $place -eq $argv[2]
        or test "$argv[3]" = more -a $place -ge $argv[2]
    end
end

complete -c warmline -e
complete -c warmline -f
${commands.flatMap(facts).join('\n')}
`;
}

function facts(command: DescribedCommand): string[] {
  const path = command.path.join(' ');
  const options = command.options.map(({ names, about, value }) => {
    const flags = names.map((name) =>
      name.startsWith('--')
        ? `-l ${requirePlain(name.slice(2))}`
        : `-s ${requirePlain(name[1] ?? '')}`,
    );
    return fact(`__warmline_at '${path}'`, [...flags, ...takes(value)], about);
  });
  const inside = command.commands.map(({ name, about }) =>
    fact(`__warmline_at '${path}' 0`, [`-a ${requirePlain(name)}`], about),
  );
  const given = command.arguments.flatMap(({ value, isVariadic, about }, index) => {
    const offer = offered(value);
    if (offer.length === 0) return [];
    return [fact(`__warmline_at '${path}' ${index}${isVariadic ? ' more' : ''}`, offer, about)];
  });
  return [...options, ...inside, ...given];
}

function fact(condition: string, what: readonly string[], about: string): string {
  return `complete -c warmline -n ${quoted(condition)} ${what.join(' ')} -d ${quoted(printableLine(about))}`;
}

/** What follows an option that has a value. */
function takes(value: Value): string[] {
  if (value.kind === 'none') return [];
  return value.kind === 'file' ? ['-r -F'] : ['-x', ...offered(value)];
}

function offered(value: Value): string[] {
  switch (value.kind) {
    case 'file':
      return ['-F'];
    case 'directory':
      return [`-a '(__fish_complete_directories)'`];
    case 'words':
      return [`-a '${value.words.map(requirePlain).join(' ')}'`];
    default:
      return [];
  }
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}

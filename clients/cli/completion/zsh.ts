/** Completion for zsh, by its own `_arguments`. */
import { printableLine } from '../../../src/text.js';
import type {
  DescribedArgument,
  DescribedCommand,
  DescribedOption,
  Value,
} from '../description.js';
import { requirePlain } from './plain.js';

/** One function for each command; no program is run to complete a word. */
export function zshCompletion(commands: readonly DescribedCommand[]): string {
  return `#compdef warmline
# Completion of warmline for zsh. Written by: warmline completion zsh

${commands.map(completing).join('\n')}
# Read by "source" it names itself for the command; found by compinit it is called at once.
if [[ \${funcstack[1]} == _warmline ]]; then
  _warmline "$@"
else
  compdef _warmline warmline
fi
`;
}

function completing(command: DescribedCommand): string {
  const specs = command.options.flatMap(optionSpecs);
  const inside = command.commands;
  if (inside.length === 0) {
    const all = [...specs, ...command.arguments.map(argumentSpec)];
    return `${nameOf(command.path)}() {
  _arguments -s -S${all.map(line).join('')}
}
`;
  }
  // In the state "rest" the words begin behind the command; what completes them wants it in front.
  const states = ["'1: :->first'", "'*::: :->rest'"];
  return `${nameOf(command.path)}() {
  local curcontext="$curcontext" state line result=1
  local -a commands
  commands=(${inside.map(commandLine).join('')}
  )
  _arguments -s -S -C${[...specs, ...states].map(line).join('')} && result=0
  case $state in
    first) _describe -t commands command commands && result=0 ;;
    rest)
      words=("$line[1]" "\${words[@]}")
      ((CURRENT += 1))
      case $line[1] in
${inside.map(({ name }) => `        ${requirePlain(name)}) ${nameOf([...command.path, name])} && result=0 ;;`).join('\n')}
      esac ;;
  esac
  return result
}
`;
}

function nameOf(path: readonly string[]): string {
  return ['_warmline', ...path.map((name) => requirePlain(name).replaceAll('-', '_'))].join('__');
}

function line(spec: string): string {
  return ` \\\n    ${spec}`;
}

function commandLine({ name, about }: { readonly name: string; readonly about: string }): string {
  return `\n    ${quoted(`${requirePlain(name)}:${escaped(about, /[\\:]/g)}`)}`;
}

function optionSpecs({ names, about, value, isList }: DescribedOption): string[] {
  const exclusive = isList || names.length === 1 ? '' : `(${names.join(' ')})`;
  return names.map((name) => {
    const takes = value.kind === 'none' ? '' : `${name.startsWith('--') ? '=' : '+'}`;
    const what = `[${escaped(about, /[\\[\]]/g)}]`;
    const end = value.kind === 'none' ? '' : `: :${action(value)}`;
    return quoted(`${exclusive}${isList ? '*' : ''}${requirePlain(name)}${takes}${what}${end}`);
  });
}

function argumentSpec({ name, value, isVariadic }: DescribedArgument): string {
  const message = escaped(name.replace(/^[<[]|[>\]]$/g, ''), /[\\:]/g);
  return quoted(
    `${isVariadic ? '*' : ''}:${name.startsWith('[') && !isVariadic ? ':' : ''}${message}:${action(value)}`,
  );
}

function action(value: Value): string {
  switch (value.kind) {
    case 'file':
      return '_files';
    case 'directory':
      return '_files -/';
    case 'words':
      return `(${value.words.map(requirePlain).join(' ')})`;
    default:
      return '';
  }
}

function escaped(text: string, special: RegExp): string {
  return printableLine(text).replace(special, '\\$&');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** Completion for bash 4 and newer. */
import type { DescribedCommand, Value } from '../description.js';
import { requirePlain } from './plain.js';

/**
 * A script of facts and one small walk over the words so far: no program is run to complete one.
 * Nothing that was typed is expanded, and only plain words are offered, because bash splits them.
 */
export function bashCompletion(commands: readonly DescribedCommand[]): string {
  const inside = commands
    .filter((one) => one.commands.length > 0)
    .map((one) => branch(place(one), words(one.commands.map(({ name }) => name))));
  const options = commands.map((one) =>
    branch(place(one), words(one.options.flatMap(({ names }) => names))),
  );
  return `# Completion of warmline for bash 4 and newer. Written by: warmline completion bash

# Each of these puts what it knows into REPLY: the commands inside a command,
_warmline_commands() {
  case $1 in
${inside.join('\n')}
    *) REPLY= ;;
  esac
}

# its options,
_warmline_options() {
  case $1 in
${options.join('\n')}
    *) REPLY= ;;
  esac
}

# what the value of its option is,
_warmline_value() {
  case "$1 $2" in
${values(commands).join('\n')}
    *) REPLY=none ;;
  esac
}

# and what its argument at a place is, counted from 0.
_warmline_argument() {
  case "$1 $2" in
${places(commands).join('\n')}
    *) REPLY=text ;;
  esac
}

_warmline_offer() {
  local word
  for word in $1; do
    if [[ $word == "$2"* ]]; then COMPREPLY+=("$word"); fi
  done
}

_warmline_offer_value() {
  case $1 in
    file) compopt -o default 2>/dev/null ;;
    directory) compopt -o dirnames 2>/dev/null ;;
    'words '*) _warmline_offer "\${1#words }" "$2" ;;
  esac
}

_warmline() {
  local IFS=$' \\t\\n' REPLY word command= value=none only_arguments= place=0 index=1
  local current=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  while ((index < COMP_CWORD)); do
    word=\${COMP_WORDS[index]}
    ((index += 1))
    if [[ $value != none ]]; then
      # bash makes a word of its own of the sign in --option=value.
      if [[ $word != = ]]; then value=none; fi
    elif [[ -z $only_arguments && $word == -- ]]; then
      only_arguments=1
    elif [[ -z $only_arguments && $word == -?* ]]; then
      _warmline_value "$command" "$word"
      value=$REPLY
    else
      _warmline_commands "$command"
      if [[ $place == 0 && " $REPLY " == *" $word "* ]]; then
        command="\${command:+$command }$word"
      else
        ((place += 1))
      fi
    fi
  done
  if [[ $value != none ]]; then
    if [[ $current == = ]]; then current=; fi
    _warmline_offer_value "$value" "$current"
  elif [[ -z $only_arguments && $current == -* ]]; then
    _warmline_options "$command"
    _warmline_offer "$REPLY" "$current"
  else
    if [[ $place == 0 ]]; then
      _warmline_commands "$command"
      _warmline_offer "$REPLY" "$current"
    fi
    _warmline_argument "$command" "$place"
    _warmline_offer_value "$REPLY" "$current"
  fi
}

complete -F _warmline warmline
`;
}

/** What each option takes: once for all commands that agree about it. */
function values(commands: readonly DescribedCommand[]): string[] {
  const all = commands.flatMap((command) =>
    command.options.flatMap(({ names, value }) =>
      names.map((name) => ({ name, place: `${path(command)} ${name}`, reply: reply(value) })),
    ),
  );
  const branches = all
    .filter(({ reply }) => reply !== 'none')
    .map(({ name, place, reply }) => {
      const agree = all.every((other) => other.name !== name || other.reply === reply);
      return branch(agree ? `*' ${name}'` : `'${place}'`, reply);
    });
  return [...new Set(branches)];
}

function places(commands: readonly DescribedCommand[]): string[] {
  return commands.flatMap((command) =>
    command.arguments.map(({ value, isVariadic }, index) =>
      branch(`'${path(command)} ${isVariadic ? "'*" : `${index}'`}`, reply(value)),
    ),
  );
}

function reply(value: Value): string {
  return value.kind === 'words' ? `words ${words(value.words)}` : value.kind;
}

function branch(pattern: string, reply: string): string {
  return `    ${pattern}) REPLY='${reply}' ;;`;
}

function path(command: DescribedCommand): string {
  return command.path.join(' ');
}

function place(command: DescribedCommand): string {
  return `'${path(command)}'`;
}

function words(list: readonly string[]): string {
  return list.map(requirePlain).join(' ');
}

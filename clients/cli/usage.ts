/** Examples of each command, and what its exit codes mean beside the usual; for help and reference. */
import type { Command } from 'commander';
import { EXIT_MEANINGS } from './failure.js';

export interface Usage {
  /** Command lines that work as they stand, each with what it is for. */
  readonly examples: readonly (readonly [line: string, about: string])[];
  /** What this command says with an exit code, where that is more than everywhere. */
  readonly exits?: Readonly<Record<number, string>>;
}

/** By the words that lead to the command. */
export const USAGE: Readonly<Record<string, Usage>> = {
  up: {
    examples: [
      ['warmline up --db bus.db --create', 'bridge and autopoll on a bus that is made'],
      ['warmline up --db bus.db --engine claude', 'with Claude Code behind it'],
    ],
  },
  serve: {
    examples: [
      ['warmline serve --context-root docs', 'on port 9999, from documents below docs'],
      ['warmline serve --engine claude --max-sessions 8', 'up to eight warm sessions'],
    ],
  },
  autopoll: {
    examples: [
      ['warmline autopoll --db bus.db', 'answer what comes, until it is stopped'],
      ['warmline autopoll --db bus.db --once --json', 'answer what is there, and count it'],
    ],
  },
  ask: {
    examples: [
      ['warmline ask "What port does the bridge listen on?"', 'an answer with its sources'],
      ['warmline ask "And the other one?" --session mine', 'in a conversation of its own'],
    ],
    exits: { 1: 'no answer, or an error for one' },
  },
  send: {
    examples: [
      ['warmline send "What is the memory bus?" --db bus.db', 'the row that it became'],
      ['warmline send "What is the memory bus?" --db bus.db --wait', 'its answer as well'],
    ],
    exits: { 1: 'not sent; with --wait also no answer in time, or an error for one' },
  },
  stats: {
    examples: [['warmline stats --db bus.db', 'what runs, what waits, what went wrong']],
    exits: { 1: 'no bridge answers; with --db that alone is fine' },
  },
  sessions: { examples: [['warmline sessions', 'a row for each warm session']] },
  doctor: {
    examples: [['warmline doctor --db bus.db', 'what could go wrong here, each with its fix']],
    exits: { 1: 'something must be put right' },
  },
  timeouts: {
    examples: [
      ['warmline timeouts --db bus.db', 'how long turns take, and how long they may'],
      ['warmline timeouts set 600000 --engine claude --db bus.db', 'ten minutes for one engine'],
      ['warmline timeouts --apply --yes --db bus.db', 'set what the figures suggest'],
    ],
  },
  metrics: {
    examples: [['warmline metrics --days 30 --json --db bus.db', 'a month of figures']],
  },
  dead: {
    examples: [['warmline dead --code timeout --since 2h --db bus.db', 'given up since two hours']],
  },
  'dead show': { examples: [['warmline dead show 4711 --db bus.db', 'all that is known of it']] },
  redrive: {
    examples: [
      ['warmline redrive 4711 4712 --db bus.db', 'ask these again'],
      ['warmline redrive --all --dry-run --db bus.db', 'see which would be'],
    ],
    exits: { 1: 'some could not be asked again; each is named' },
  },
  verify: {
    examples: [['warmline verify --repair --db bus.db', 'look, and put right what differs']],
    exits: { 1: 'something differs, and was not put right' },
  },
  backup: {
    examples: [['warmline backup --db bus.db --out copy.db', 'a whole copy, while all goes on']],
  },
  demo: { examples: [['warmline demo --once', 'the whole way of a question, in seconds']] },
  'fake-model': {
    examples: [['warmline fake-model --port 9900 --delay-ms 200', 'a model API without a model']],
  },
  mcp: {
    examples: [
      ['warmline mcp --db bus.db', 'what an MCP client starts; docs/mcp.md says how it is told to'],
    ],
  },
  'poll start': {
    examples: [['warmline poll start --db bus.db', 'answer questions until "poll stop"']],
    exits: {
      1: 'it does not run: one runs already, or the bus is locked',
      78: 'there is no bus, or the bus or the log cannot be written',
    },
  },
  'poll stop': {
    examples: [['warmline poll stop --db bus.db', 'after what runs has finished']],
    exits: { 0: 'none runs now, also when none did before', 1: 'it runs on' },
  },
  'poll status': {
    examples: [['warmline poll status --db bus.db --json', 'for a program that watches']],
    exits: { 0: 'it runs', 1: 'it does not', 78: 'it does not, and there is no such bus' },
  },
  'poll list': {
    examples: [
      ['warmline poll list --db bus.db', 'the latest fifty'],
      ['warmline poll list --status active,dead --db bus.db', 'what is under way or given up'],
    ],
  },
  'poll show': {
    examples: [['warmline poll show 4711 --db bus.db', 'its attempts, and why it waits']],
  },
  'poll add': {
    examples: [
      [
        'warmline poll add "What is the memory bus?" --task-id t1 --source docs --target shard --db bus.db',
        'a question of one module to another',
      ],
    ],
    exits: { 1: 'the task is there with another question' },
  },
  'poll remove': {
    examples: [['warmline poll remove 4711 --db bus.db', 'it is not asked any more']],
  },
  'poll retry': { examples: [['warmline poll retry 4711 --db bus.db', 'now, not later']] },
  'poll cancel': {
    examples: [['warmline poll cancel 4711 --db bus.db', 'also while it is being answered']],
  },
  top: {
    examples: [
      ['warmline top --db bus.db', 'what goes on, until q is pressed'],
      ['warmline top --db bus.db --once', 'one look, as text'],
    ],
  },
  init: {
    examples: [
      ['warmline init --create', 'a file and a bus to start with, in this directory'],
      ['warmline init --db /srv/bus.db --engine claude --context-root docs', 'with your own'],
      ['warmline init --print', 'look at the file first'],
    ],
    exits: {
      1: 'written, but something must be put right',
      2: 'a file is there already, or the words do not fit together',
    },
  },
  completion: {
    examples: [['warmline completion bash', 'what bash needs to know']],
  },
};

/** Adds its examples to the help of each command, and the exit codes to that of the program. */
export function addUsage(program: Command): void {
  for (const command of program.commands) addExamples(command, [command.name()]);
  const codes = Object.entries(EXIT_MEANINGS).map(
    ([code, meaning]) => `  ${code.padEnd(2)}  ${meaning}`,
  );
  program.addHelpText('after', `\nExit codes:\n${codes.join('\n')}`);
}

function addExamples(command: Command, path: readonly string[]): void {
  const { examples = [], exits = {} } = USAGE[path.join(' ')] ?? {};
  const lines = examples.flatMap(([line, about]) => [`  # ${about}`, `  ${line}`]);
  const codes = Object.entries(exits).map(([code, meaning]) => `Exit code ${code}: ${meaning}.`);
  if (lines.length > 0) command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
  if (codes.length > 0) command.addHelpText('after', `\n${codes.join('\n')}`);
  for (const inside of command.commands) addExamples(inside, [...path, inside.name()]);
}

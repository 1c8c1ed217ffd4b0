/** The commands of the polling daemon: one that answers the questions on a bus in the background. */
import { InvalidArgumentError } from 'commander';
import type { ListedStatus } from '../../src/bus/index.js';
import type { Frame } from './frame.js';
import { WordOption, whole, wholeUpTo, withSettings } from './options.js';
import { AUTOPOLL } from './sections.js';
import { isStatusWord, STATUS_WORDS } from './status-words.js';

export function addPollCommands({ command, run }: Frame): void {
  const poll = command(
    'poll',
    'answer the questions on a bus in the background, and look after it',
  );
  poll.addHelpText(
    'after',
    `
A first time, with a bridge that runs (warmline serve):
  warmline poll start  --db bus.db     go to work; this shell can be closed
  warmline poll status --db bus.db     does it run, what waits, what failed last
  warmline poll stop   --db bus.db     finish what runs, and end

With WARMLINE_DB=bus.db, or a config file, --db can be left out.`,
  );

  withSettings(
    poll
      .command('start')
      .description('start the daemon of a bus; one bus has one, a second is refused')
      .option(
        '--interval <S>',
        'seconds between two looks at the bus that no change asks for (default: 1); a new question is noticed at once, whatever this is',
        seconds,
      )
      .option(
        '--max-messages <N>',
        'how many questions are being answered at once, for each engine (default: 32): the same as --concurrency',
        wholeUpTo(4_096),
      )
      .option('--timeout <S>', 'seconds until it has to be ready (default: 15)', seconds)
      .option('--json', 'print the result as JSON'),
    ...AUTOPOLL,
  )
    .addHelpText(
      'after',
      `
The daemon is "warmline autopoll" in a session of its own: it goes on when the terminal is closed.
Without a bridge it starts all the same, and connects when there is one. Its log and its state are
below $XDG_STATE_HOME/warmline/poll (~/.local/state/warmline/poll), for this user only; a log of
8 MiB is put aside as daemon.log.1. Nobody starts it again after a crash or a reboot: for that,
run "warmline autopoll" under pm2 or systemd.`,
    )
    .action(run(async () => (await import('./commands/poll/start.js')).pollStart));

  withSettings(
    poll
      .command('stop')
      .description('stop the daemon of a bus: it finishes what runs, then ends')
      .option(
        '--timeout <S>',
        'seconds until it is ended by force (default: its drain and 5 more, 25 in all)',
        seconds,
      )
      .option('--json', 'print the result as JSON'),
    'bus',
  )
    .addHelpText(
      'after',
      `
Nothing is lost by force either: what it was at is handed out again.`,
    )
    .action(run(async () => (await import('./commands/poll/stop.js')).pollStop));

  withSettings(
    poll
      .command('status')
      .description('say whether the daemon runs, how its questions are, and what failed last')
      .option('--json', 'print it as JSON'),
    'bus',
    'address',
  ).action(run(async () => (await import('./commands/poll/status.js')).pollStatus));

  withSettings(
    poll
      .command('list')
      .description('list the questions, the latest first')
      .addOption(
        new WordOption(
          '--status <WORDS>',
          `only those that are ${Object.keys(STATUS_WORDS).join(', ')}; several with commas between them (active: pending or processing)`,
          Object.keys(STATUS_WORDS),
        ).argParser(statuses),
      )
      .option('--conversation <ID>', 'only in this conversation')
      .option('--limit <N>', 'at most so many, up to 1000 (default: 50)', wholeUpTo(1_000))
      .option('--before <ID>', 'only questions below this message id: the next page', whole)
      .option('--json', 'print them as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/poll/list.js')).pollList));

  withSettings(
    poll
      .command('show')
      .description(
        'show one question: what was asked, each attempt with its times, the answer and its sources, or why it waits',
      )
      .argument('<message-id>', 'the question, by the number that list and send print')
      .option('--json', 'print it as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/poll/show.js')).pollShow));

  withSettings(
    poll
      .command('add')
      .description('put a question of one module to another on the bus')
      .argument('[question]', 'the question; - reads it from standard input, and so does none')
      .requiredOption(
        '--task-id <ID>',
        'a name of your own for it: its answer bears it as query_id',
      )
      .requiredOption('--source <MODULE>', 'who asks')
      .requiredOption('--target <MODULE>', 'who is to answer')
      .option('--context <FILE>', 'document to answer from')
      .option('--model <NAME>', 'model to ask')
      .option('--json', 'print the result as JSON'),
    'bus',
  )
    .addHelpText(
      'after',
      `
The same task with the same question, added again, is there once: it prints the message there is.
With another question it is refused.`,
    )
    .action(run(async () => (await import('./commands/poll/add.js')).pollAdd));

  const changes = {
    cancel: 'end a question: its asker gets an error answer, and a turn that is at it is stopped',
    remove: 'take a question off the queue without an answer, unless it is being answered',
    retry:
      'try a question now that waits for its next attempt; ask one again that failed or is dead',
  } as const;
  for (const [name, about] of Object.entries(changes) as [keyof typeof changes, string][]) {
    withSettings(
      poll
        .command(name)
        .description(about)
        .argument('<message-id>', 'the question')
        .option('--json', 'print the result as JSON'),
      'bus',
    ).action(run(async () => (await import('./commands/poll/change.js'))[name]));
  }

  withSettings(
    poll.command('run', { hidden: true }).description('be the daemon'),
    ...AUTOPOLL,
  ).action(run(async () => (await import('./commands/poll/run.js')).pollRun));
}

/** Milliseconds, from a number of seconds such as `--interval 0.5`. */
function seconds(given: string): number {
  const ms = /^\d{1,4}(\.\d{1,3})?$/.test(given) ? Math.round(Number(given) * 1000) : 0;
  if (ms < 100 || ms > 3_600_000) {
    throw new InvalidArgumentError('It must be a number of seconds from 0.1 to 3600.');
  }
  return ms;
}

/** The statuses that words such as `active,failed` stand for. */
function statuses(given: string): ListedStatus[] {
  return given.split(',').flatMap((word) => {
    if (!isStatusWord(word)) {
      throw new InvalidArgumentError(`It must be of ${Object.keys(STATUS_WORDS).join(', ')}.`);
    }
    return STATUS_WORDS[word];
  });
}

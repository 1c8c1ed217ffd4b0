/** The commands of the polling daemon: one that answers the questions on a bus in the background. */
import { InvalidArgumentError } from 'commander';
import type { Frame } from './frame.js';
import { withSettings } from './options.js';
import { AUTOPOLL } from './sections.js';

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
      .description('start the daemon of a bus; one bus has one, a second is refused (exit code 1)')
      .option(
        '--interval <S>',
        'seconds between two looks at the bus that no change asks for (default: 1); a new question is noticed at once, whatever this is',
        seconds,
      )
      .option(
        '--max-messages <N>',
        'how many questions are being answered at once, for each engine (default: 32): the same as --concurrency',
        count,
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
8 MiB is put aside as daemon.log.1. It does not come back after a reboot: for that, use pm2 or
systemd with "warmline autopoll".

Exit codes: 0 it runs, 1 it does not (one runs already, the bus is locked), 2 used wrongly,
78 configuration: no bus, a bus or a log that cannot be written.`,
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
Nothing is lost by force either: what it was at is handed out again.

Exit codes: 0 none runs now, also when none did before; 1 it runs on; 2 used wrongly;
78 configuration.`,
    )
    .action(run(async () => (await import('./commands/poll/stop.js')).pollStop));

  withSettings(
    poll
      .command('status')
      .description('say whether the daemon runs, how its questions are, and what failed last')
      .option('--json', 'print it as JSON'),
    'bus',
    'address',
  )
    .addHelpText(
      'after',
      `
Exit codes: 0 it runs, 1 it does not, 2 used wrongly, 78 configuration: there is no such bus.`,
    )
    .action(run(async () => (await import('./commands/poll/status.js')).pollStatus));

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

function count(given: string): number {
  const number = /^\d{1,4}$/.test(given) ? Number(given) : 0;
  if (number < 1 || number > 4096) {
    throw new InvalidArgumentError('It must be a whole number from 1 to 4096.');
  }
  return number;
}

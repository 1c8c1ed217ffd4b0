/** The commands that look into the queue of a bus and put it right. */
import { type Command, InvalidArgumentError } from 'commander';
import type { Frame } from './frame.js';
import { whole, wholeUpTo, withSettings } from './options.js';
import { microsecondsSince } from './since.js';

export function addQueueCommands({ command, run }: Frame): void {
  const dead = withSettings(
    withFilter(command('dead', 'list the questions that were given up, the latest first'))
      .argument('[message-id]', 'none: "dead show" shows one question')
      .option('--failed', 'also those that got an error answer no retry helps')
      .option('--limit <N>', 'at most so many, up to 10000 (default: 50)', wholeUpTo(10_000))
      .option('--before <ID>', 'only questions below this message id: the next page', whole)
      .option('--json', 'print them as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/dead.js')).dead));

  withSettings(
    dead
      .command('show')
      .description('show one question: what was asked, its attempts, the error, what came after')
      .argument('<message-id>', 'the question')
      .option('--json', 'print it as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/dead.js')).deadShow));

  withSettings(
    withFilter(command('redrive', 'ask dead questions again, each under a new message id'))
      .argument('[message-id...]', 'the questions')
      .option('--all', 'all that are dead and have not been asked again')
      .option('--failed', 'also those that got an error answer no retry helps')
      .option('--again', 'also those that have been asked again before')
      .option('--include-expired', 'also in conversations that have expired')
      .option('--dry-run', 'say what would be done, and do nothing')
      .option('--json', 'print the result as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/redrive.js')).redrive));

  withSettings(
    command('verify', 'compare what is kept of the queue with the messages on the bus')
      .option('--repair', 'put right what differs')
      .option('--json', 'print the findings as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/verify.js')).verify));

  withSettings(
    command('backup', 'copy a bus that is in use, and prove the copy whole')
      .requiredOption('--out <FILE>', 'where the copy goes')
      .option('--force', 'replace a file that is there already')
      .option('--json', 'print the result as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/backup.js')).backup));
}

function withFilter(command: Command): Command {
  return command
    .option('--conversation <ID>', 'only in this conversation')
    .option('--code <CODE>', 'only with this error code, such as timeout')
    .option('--engine <NAME>', 'only those that this engine tried last')
    .option('--since <TIME>', 'only those that ended since then: 2h, 7d, 2026-11-20T23:00', since);
}

function since(given: string): number {
  const us = microsecondsSince(given, Date.now());
  if (us === undefined) {
    throw new InvalidArgumentError(
      'It must be a time such as 2026-11-20T23:00 (UTC), or how long ago: 30m, 2h, 7d.',
    );
  }
  return us;
}

/** The commands that say how bridge and bus are, and the few that change how long turns may take. */
import type { Frame } from './frame.js';
import { dayCount, wholeUpTo, withSettings } from './options.js';
import { CHECKED } from './sections.js';

export function addReportCommands({ command, run }: Frame): void {
  withSettings(
    command('top', 'watch bus, bridge and questions live; cancel and retry by a key')
      .option(
        '--interval <S>',
        'seconds between looks when nothing tells of a change (default: 2)',
        wholeUpTo(3600),
      )
      .option('--once', 'print one frame as text, then end'),
    'address',
    'bus',
  ).action(run(async () => (await import('./commands/top.js')).top));

  withSettings(
    command('stats', 'print counts and times of a running bridge, and of a bus with --db').option(
      '--json',
      'print them as JSON',
    ),
    'address',
    'bus',
  ).action(run(async () => (await import('./commands/stats.js')).stats));

  withSettings(
    command('sessions', 'print the sessions of a running bridge').option(
      '--json',
      'print them as JSON',
    ),
    'address',
  ).action(run(async () => (await import('./commands/sessions.js')).sessions));

  withSettings(
    command('doctor', 'look for what could go wrong, and say how to put it right').option(
      '--json',
      'print the findings as JSON',
    ),
    ...CHECKED,
  ).action(run(async () => (await import('./commands/doctor.js')).doctor));

  withSettings(
    command('timeouts', 'print how long turns take and may take, and change how long they may')
      .argument('[action]', 'set: change how long a turn may take')
      .argument('[value]', 'milliseconds, or default to take a time-out away')
      .option('--conversation <ID>', 'with set: only turns of this conversation')
      .option('--engine <NAME>', 'with set: only turns of this engine')
      .option('--apply', 'print which time-outs ought to be others')
      .option('--yes', 'with --apply: change them')
      .option('--json', 'print the result as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/timeouts.js')).timeouts));

  withSettings(
    command('metrics', 'print the figures of each day, by conversation and engine')
      .option('--day <YYYY-MM-DD>', 'only this day of UTC')
      .option('--days <N>', 'the last days, today included (default: 7)', dayCount)
      .option('--json', 'print them as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/metrics.js')).metrics));
}

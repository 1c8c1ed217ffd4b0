/** The commands that run the programs: bridge, autopoll, both. */
import type { Frame } from './frame.js';
import { withAlias, withSettings } from './options.js';
import { AUTOPOLL, BRIDGE, MCP, PAIR } from './sections.js';

export function addRunningCommands({ command, run }: Frame): void {
  withSettings(
    command('up', 'run the bridge and autopoll together, on one machine').option(
      '--create',
      'make an empty bus when the file does not exist',
    ),
    ...PAIR,
  ).action(run(async () => (await import('./commands/up.js')).up));

  const serve = withSettings(
    command('serve', 'run the bridge: warm sessions behind a TCP port'),
    ...BRIDGE,
  );
  withAlias(serve, '--concurrency', 'maxSessions').action(
    run(async () => (await import('./commands/serve.js')).serve),
  );

  withSettings(
    command('autopoll', 'answer the questions on a memory bus through the bridge')
      .option('--once', 'answer what is there, then end')
      .option('--json', 'with --once: print the summary as JSON'),
    ...AUTOPOLL,
  ).action(run(async () => (await import('./commands/autopoll.js')).autopoll));

  withSettings(
    command('mcp', 'offer warmline to a model as MCP tools, on standard input and output').option(
      '--create',
      'make an empty bus when the file does not exist',
    ),
    ...MCP,
  ).action(run(async () => (await import('./commands/mcp.js')).mcp));
}

/** The commands that ask a question: over the socket, or on a bus. */
import type { Frame } from './frame.js';
import { milliseconds, questionIds, withSettings } from './options.js';

export function addAskingCommands({ command, run }: Frame): void {
  withSettings(
    command('ask', 'ask the bridge a question and print the answer with its sources')
      .argument('[question]', 'the question; - reads it from standard input, and so does none')
      .option('--context <FILE>', 'document to answer from, below a context root of the bridge')
      .option('--session <KEY>', 'sticky session: questions with the same key share a context')
      .option('--model <NAME>', 'model to ask')
      .option('--timeout <MS>', 'longest wait for the answer', milliseconds)
      .option('--stream', 'print the answer as it comes, also when it goes to a program')
      .option('--plain', 'do not render Markdown on a terminal')
      .option('--json', 'print the whole response as JSON'),
    'address',
  ).action(run(async () => (await import('./commands/ask.js')).ask));

  withSettings(
    command('send', 'put a question on a memory bus')
      .argument('[question]', 'the question; - reads it from standard input, and so does none')
      .option('--conversation <ID>', 'conversation to ask in (default: a new one)')
      .option('--context <FILE>', 'document to answer from')
      .option('--model <NAME>', 'model to ask')
      .option(
        '--depends-on <IDS>',
        'questions to be answered first: message ids or query ids with commas between them',
        questionIds,
      )
      .option('--create', 'make an empty bus when the file does not exist')
      .option('--wait', 'wait for the answer and print it')
      .option('--plain', 'do not render Markdown on a terminal')
      .option('--timeout <MS>', 'longest wait for the answer (default: 300000)', milliseconds)
      .option('--json', 'print the result as JSON'),
    'bus',
  ).action(run(async () => (await import('./commands/send.js')).send));
}

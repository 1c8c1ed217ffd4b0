import type { Answer, AskOptions, BridgeClient } from '../../socket/index.js';
import { errorFields, withBridge } from '../bridge-client.js';
import { EXIT } from '../failure.js';
import { settingsFor, type Words } from '../options.js';
import { printable, printJson, printSources, printText, StatusLine } from '../output.js';

interface AskWords {
  readonly context?: string;
  readonly session?: string;
  readonly model?: string;
  readonly timeout?: number;
  readonly stream?: boolean;
  readonly json?: boolean;
}

export async function ask(words: Words, question: string): Promise<number> {
  const settings = await settingsFor(words, 'address');
  const { context, session, model, timeout, stream, json } = words as AskWords;
  const options: AskOptions = {
    contextFile: context,
    session,
    model,
    timeoutMs: timeout,
    // Nobody could fetch the answer once this program is gone.
    onDisconnect: 'cancel',
  };
  try {
    await withBridge(settings, async (client) => {
      if (json === true) printJson(toWire(await client.ask(question, options)));
      else if (stream === true) await printAsItComes(client, question, options);
      else printAnswer(await waitFor(client, question, options));
    });
    return EXIT.ok;
  } catch (error) {
    if (json !== true) throw error;
    printJson({ type: 'error', ...errorFields(error) });
    return EXIT.failed;
  }
}

async function waitFor(
  client: BridgeClient,
  question: string,
  options: AskOptions,
): Promise<Answer> {
  const status = new StatusLine();
  try {
    return await client.ask(question, {
      ...options,
      onProgress: (progress) =>
        status.show(
          progress.type === 'accepted'
            ? `waiting, ${progress.position} in line`
            : `${progress.stage} for ${Math.round(progress.elapsedMs / 1000)} s`,
        ),
    });
  } finally {
    status.clear();
  }
}

async function printAsItComes(
  client: BridgeClient,
  question: string,
  options: AskOptions,
): Promise<void> {
  const stream = client.stream(question, options);
  let any = false;
  for await (const event of stream) {
    if (event.type !== 'delta') continue;
    any = true;
    process.stdout.write(printable(event.text));
  }
  const answer = await stream.answer;
  // An engine that cannot stream gives its answer whole.
  printText(any ? '' : printable(answer.answer));
  printSources(answer.sources);
  tellHowItEnded(answer);
}

function printAnswer(answer: Answer): void {
  printText(printable(answer.answer));
  printSources(answer.sources);
  tellHowItEnded(answer);
}

/** An answer that is not all the model had to say looks like one that is. */
function tellHowItEnded({ stopReason }: Answer): void {
  const note = stopReason === undefined ? undefined : NOTES[stopReason];
  if (note !== undefined) process.stderr.write(`${note}\n`);
}

const NOTES: Readonly<Partial<Record<string, string>>> = {
  max_tokens: 'The answer is cut: it reached the longest one that the model may give.',
  refusal: 'The model refused to answer.',
};

function toWire(answer: Answer) {
  return {
    type: 'response',
    answer: answer.answer,
    sources: answer.sources,
    model: answer.model,
    engine: answer.engine,
    session: answer.session,
    elapsed_ms: answer.elapsedMs,
    queued_ms: answer.queuedMs,
    usage: answer.usage,
    stop_reason: answer.stopReason,
    request_id: answer.requestId,
  };
}

import type { Answer, BridgeClient, Progress, QueryOptions } from '../../socket/index.js';
import { type AnswerOutput, openOutput } from '../answer-output.js';
import { errorFields, withBridge } from '../bridge-client.js';
import { EXIT } from '../failure.js';
import { interruptible } from '../interrupt.js';
import { settingsFor, type Words } from '../options.js';
import { printableLine, printJson, printSources } from '../output.js';
import { questionFrom } from '../question-input.js';
import { Waiting } from '../waiting.js';

interface AskWords {
  readonly context?: string;
  readonly session?: string;
  readonly model?: string;
  readonly timeout?: number;
  readonly stream?: boolean;
  readonly plain?: boolean;
  readonly json?: boolean;
}

const FAREWELL = 'cancelled; the bridge stops working on the question';

export async function ask(words: Words, word: string | undefined): Promise<number> {
  const settings = await settingsFor(words, 'address');
  const question = await questionFrom(word);
  const given = words as AskWords;
  return await interruptible(
    () => FAREWELL,
    async (signal) => {
      try {
        await withBridge(settings, (client) => askWith(client, question, given, signal));
        return EXIT.ok;
      } catch (error) {
        if (given.json !== true || signal.aborted) throw error;
        printJson({ type: 'error', ...errorFields(error) });
        return EXIT.failed;
      }
    },
  );
}

async function askWith(
  client: BridgeClient,
  question: string,
  { context, session, model, timeout, stream, plain, json }: AskWords,
  signal: AbortSignal,
): Promise<void> {
  const options: QueryOptions = {
    contextFile: context,
    session,
    model,
    timeoutMs: timeout,
    // Nobody could fetch the answer once this program is gone.
    onDisconnect: 'cancel',
    signal,
  };
  const waiting = new Waiting(() => 'waiting for the answer');
  try {
    if (json === true) {
      const answer = await whole(client, question, options, waiting);
      waiting.end();
      printJson(toWire(answer));
      return;
    }
    const output = await openOutput({ plain, waiting });
    // People read as it comes; a program is not to find half an answer, unless it asks for that.
    const answer =
      stream === true || process.stdout.isTTY
        ? await asItComes(client, question, options, waiting, output)
        : await whole(client, question, options, waiting);
    // An engine that cannot stream gives its answer whole.
    if (output.isEmpty) output.push(answer.answer);
    output.end();
    printSources(answer.sources);
    tellHowItEnded(answer);
  } finally {
    waiting.end();
  }
}

function whole(
  client: BridgeClient,
  question: string,
  options: QueryOptions,
  waiting: Waiting,
): Promise<Answer> {
  const onProgress = (progress: Progress) => waiting.tell(() => stageOf(progress));
  return client.ask(question, process.stderr.isTTY ? { ...options, onProgress } : options);
}

async function asItComes(
  client: BridgeClient,
  question: string,
  options: QueryOptions,
  waiting: Waiting,
  output: AnswerOutput,
): Promise<Answer> {
  const stream = client.stream(question, options);
  try {
    for await (const event of stream) {
      if (event.type === 'delta') output.push(event.text);
      else if (output.isEmpty) waiting.tell(() => stageOf(event));
    }
  } catch (error) {
    output.end();
    throw error;
  }
  return await stream.answer;
}

const STAGES: Readonly<Record<string, string>> = {
  starting: 'a session is starting',
  running: 'a session works on it',
  tool_execution: 'using a tool',
  generating_response: 'writing',
};

function stageOf(progress: Progress): string {
  if (progress.type === 'accepted') return `waiting for a session, ${progress.position} in line`;
  const { stage, message } = progress;
  const words = stage === 'queued' ? 'waiting for a session' : (STAGES[stage] ?? stage);
  return printableLine(message === undefined ? words : `${words}: ${message}`);
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

/** Puts a question between two named modules on the bus, under an id of the asker's own. */
import { type PutTask, putTask, type SqliteBus, type Task } from '../../../../src/bus/index.js';
import { withBus } from '../../bus-file.js';
import { EXIT, UsageError } from '../../failure.js';
import type { Words } from '../../options.js';
import { printJson, printText } from '../../output.js';

interface AddWords {
  readonly taskId: string;
  readonly source: string;
  readonly target: string;
  readonly context?: string;
  readonly model?: string;
  readonly json?: boolean;
}

/** A bus takes 50,000 characters; more is read only to say that it is too much. In bytes. */
const MAX_INPUT_BYTES = 1024 * 1024;

export async function pollAdd(words: Words, given?: string): Promise<number> {
  const { taskId, source, target, context, model, json } = words as unknown as AddWords;
  const question = given ?? (await fromStandardInput());
  const task = { taskId, source, target, question, contextFile: context, model };
  return withBus(words, async (bus) => {
    const { did, messageId, conversationId } = await put(bus, task);
    if (did === 'conflict') {
      throw new Error(
        `task ${taskId} from ${source} to ${target} is message ${messageId} already, with another question; give this one another --task-id`,
      );
    }
    if (json === true) {
      printJson({
        message_id: messageId,
        conversation_id: conversationId,
        task_id: taskId,
        added: did === 'put',
      });
    } else if (did === 'put') printText(`message ${messageId} in conversation ${conversationId}`);
    else printText(`task ${taskId} is there already: message ${messageId}`);
    return EXIT.ok;
  });
}

/** @throws UsageError */
async function put(bus: SqliteBus, task: Task): Promise<PutTask> {
  try {
    return await putTask(bus, task);
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error;
  }
}

/** @throws UsageError */
async function fromStandardInput(): Promise<string> {
  const { stdin } = process;
  if (stdin.isTTY) {
    throw new UsageError('give a question, or write one to standard input: echo "…" | …');
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    bytes += chunk.length;
    if (bytes > MAX_INPUT_BYTES) throw new UsageError('the question is longer than a bus takes');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8').trim();
}

/** Puts a question between two named modules on the bus, under an id of the asker's own. */
import { putTask } from '../../../../src/bus/index.js';
import { withBus } from '../../bus-file.js';
import { asUsageError, EXIT } from '../../failure.js';
import type { Words } from '../../options.js';
import { printJson, printText } from '../../output.js';
import { questionFrom } from '../../question-input.js';

interface AddWords {
  readonly taskId: string;
  readonly source: string;
  readonly target: string;
  readonly context?: string;
  readonly model?: string;
  readonly json?: boolean;
}

export async function pollAdd(words: Words, word: string | undefined): Promise<number> {
  const { taskId, source, target, context, model, json } = words as unknown as AddWords;
  const question = await questionFrom(word);
  const task = { taskId, source, target, question, contextFile: context, model };
  return withBus(words, async (bus) => {
    const { did, messageId, conversationId } = await putTask(bus, task).catch(asUsageError);
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

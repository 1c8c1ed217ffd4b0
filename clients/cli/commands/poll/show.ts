import { withBus } from '../../bus-file.js';
import { EXIT } from '../../failure.js';
import type { Words } from '../../options.js';
import { showQuestion } from '../../show-question.js';
import { parseMessageId } from '../dead.js';

export async function pollShow(words: Words, messageId: string): Promise<number> {
  const id = parseMessageId(messageId);
  return withBus(words, (bus) => {
    showQuestion(bus, id, words.json === true);
    return EXIT.ok;
  });
}

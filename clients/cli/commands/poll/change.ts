/** What people do to single questions: end them, take them off the queue, hurry them on. */
import {
  cancelQuestion,
  removeQuestion,
  retryQuestion,
  type SqliteBus,
} from '../../../../src/bus/index.js';
import { withBus } from '../../bus-file.js';
import { EXIT } from '../../failure.js';
import type { Words } from '../../options.js';
import { printableLine, printJson, printText } from '../../output.js';
import { parseMessageId } from '../dead.js';

/** What came of it. */
interface Change {
  readonly outcome: string;
  readonly ok: boolean;
  /** A sentence after the number of the question. */
  readonly text: string;
  readonly againId?: number | undefined;
}

type Act = (bus: SqliteBus, id: number) => Promise<Change>;

export async function cancel(words: Words, messageId: string): Promise<number> {
  return change(words, messageId, async (bus, id) => {
    const outcome = await cancelQuestion(bus, id);
    return { outcome, ok: outcome === 'cancelled', text: CANCELLED[outcome] };
  });
}

const CANCELLED = {
  cancelled: 'is cancelled; its asker gets an error answer that says so',
  finished: 'is finished: it cannot be cancelled any more',
  missing: 'is no question on this bus',
} as const;

export async function remove(words: Words, messageId: string): Promise<number> {
  return change(words, messageId, async (bus, id) => {
    const outcome = await removeQuestion(bus, id);
    return { outcome, ok: outcome === 'removed', text: REMOVED[outcome] };
  });
}

const REMOVED = {
  removed: 'is off the queue; its asker gets no answer',
  processing: 'is being answered; to stop that: warmline poll cancel',
  finished: 'is finished: there is nothing to take off the queue',
  missing: 'is no question on this bus',
} as const;

export async function retry(words: Words, messageId: string): Promise<number> {
  return change(words, messageId, async (bus, id) => {
    const { outcome, againId, why } = await retryQuestion(bus, id);
    const because = why === undefined ? '' : `: ${printableLine(why)}`;
    const text = {
      ready: 'is tried as soon as somebody is free',
      redriven: `is asked again as message ${againId}`,
      waiting: `waits for something else${because}`,
      processing: 'is being answered now',
      finished: `is finished, and not asked again${because}`,
      missing: 'is no question on this bus',
    }[outcome];
    return { outcome, ok: outcome === 'ready' || outcome === 'redriven', text, againId };
  });
}

async function change(words: Words, messageId: string, act: Act): Promise<number> {
  const id = parseMessageId(messageId);
  return withBus(words, async (bus) => {
    const { outcome, ok, text, againId } = await act(bus, id);
    if (words.json === true) {
      printJson({ message_id: id, outcome, ...(againId !== undefined && { again_id: againId }) });
    } else if (ok) printText(`message ${id} ${text}`);
    else throw new Error(`message ${id} ${text}`);
    return ok ? EXIT.ok : EXIT.failed;
  });
}

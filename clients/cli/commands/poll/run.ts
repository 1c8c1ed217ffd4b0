/** The daemon itself: an autopoll that is alone on its bus. */
import { asDaemon } from '../../../daemon/index.js';
import { exitCodeOf } from '../../failure.js';
import { settingsFor, type Words } from '../../options.js';
import { printJson } from '../../output.js';
import { AUTOPOLL } from '../../sections.js';
import { autopoll } from '../autopoll.js';
import { placeFor } from './daemon.js';

/** Says in a line on standard output why it did not start: its standard error is a log. */
export async function pollRun(words: Words): Promise<number> {
  try {
    const settings = await settingsFor(words, ...AUTOPOLL);
    const { host, port, socket } = settings.address;
    const facts = {
      session: settings.bus.session,
      drainMs: settings.process.drainMs,
      bridge: { host, port, socket },
    };
    return await asDaemon(placeFor(settings), facts, () => autopoll(words));
  } catch (error) {
    printJson({
      event: 'failed',
      message: (error as Error).message,
      exit_code: exitCodeOf(error),
    });
    throw error;
  }
}

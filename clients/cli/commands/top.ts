import { systemClock } from '../../../src/clock.js';
import { environment, preferProductionBuilds } from '../../../src/config/index.js';
import { clientOptions } from '../bridge-client.js';
import { openBus } from '../bus-file.js';
import { EXIT, UsageError } from '../failure.js';
import { needBus, settingsFor, type Words } from '../options.js';
import { printText } from '../output.js';
import { questionText } from '../show-question.js';

interface TopWords {
  /** Seconds. */
  readonly interval?: number;
  readonly once?: boolean;
}

const DEFAULT_INTERVAL_S = 2;
/** As wide as a page of a manual, where there is no terminal to ask. */
const PAGE_COLUMNS = 100;

export async function top(words: Words): Promise<number> {
  const settings = await settingsFor(words, 'address', 'bus');
  const given = words as TopWords;
  const file = needBus(settings);
  const { session } = settings.bus;
  const { stdin, stdout } = process;
  if (given.once !== true) requireTerminal();
  preferProductionBuilds();
  const { runTop, topOnce } = await import('../../top/index.js');
  const options = {
    file,
    // A bus that another program holds is tried again: the view does not stand still for it.
    open: () => openBus({ file, session, create: false, lockWaitMs: 0 }),
    bridge: clientOptions(settings, 'warmline-top'),
    everyMs: (given.interval ?? DEFAULT_INTERVAL_S) * 1000,
    clock: systemClock,
  };
  if (given.once === true) {
    printText(await topOnce(options, stdout.columns || PAGE_COLUMNS));
  } else {
    await runTop({
      ...options,
      describe: questionText,
      stdin,
      stdout,
      colours: stdout.hasColors(),
    });
  }
  return EXIT.ok;
}

function requireTerminal(): void {
  const { stdin, stdout } = process;
  const isTerminal = stdin.isTTY && stdout.isTTY && environment().TERM !== 'dumb';
  if (isTerminal) return;
  throw new UsageError(
    'top needs a terminal that can place text; "warmline top --once" prints one frame, and "warmline stats --json" is for programs',
  );
}

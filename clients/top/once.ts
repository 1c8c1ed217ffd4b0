/** One frame, for a reader that is no terminal. */
import { BridgeSource } from './bridge-source.js';
import { BusSource } from './bus-source.js';
import { plain } from './cells.js';
import type { BridgeState, BusState } from './facts.js';
import { initialModel } from './model.js';
import type { TopOptions } from './options.js';
import { wholeView } from './view.js';

/** The bridge is waited for so long, in milliseconds. */
const PATIENCE_MS = 2_000;

/**
 * All lists, one below the other, as plain text.
 * @param columns no line is wider
 * @throws BusError when the bus cannot be used
 */
export async function topOnce(options: TopOptions, columns: number): Promise<string> {
  const sources: { close(): Promise<void> }[] = [];
  try {
    const bus = new Promise<BusState>((changed) => {
      sources.push(new BusSource({ ...options, changed }));
    });
    const bridge = new Promise<BridgeState>((changed) => {
      sources.push(new BridgeSource({ ...options, changed }));
      setTimeout(() => changed({ at: 'down', why: 'it does not answer' }), PATIENCE_MS).unref();
    });
    const model = initialModel({ columns, rows: 0 });
    const seen = { ...model, bus: await bus, bridge: await bridge };
    return wholeView(seen, options.file, options.clock.wallUs()).map(plain).join('\n');
  } finally {
    await Promise.all(sources.map((source) => source.close()));
  }
}

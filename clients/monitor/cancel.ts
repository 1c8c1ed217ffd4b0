/** Taking a question back. */
import { cancelQuestion, openSqliteBus, type Side } from '../../src/bus/index.js';

export interface CancelOptions {
  /** The bus file. */
  readonly db: string;
  /** The side that was asked, `b` when absent. */
  readonly side?: Side | undefined;
}

/**
 * Ends a question that has no answer yet, wherever it stands: it gets an error answer of code
 * `cancelled`, and the work on it is stopped. Who waits for it is told that it failed.
 * @returns `finished`: it had its end before; `missing`: there is no such question
 * @throws BusError when the bus cannot be used
 */
export async function cancelMessage(
  messageId: number,
  { db, side = 'b' }: CancelOptions,
): Promise<'cancelled' | 'finished' | 'missing'> {
  const bus = openSqliteBus({ file: db, session: side });
  try {
    return await cancelQuestion(bus, messageId);
  } finally {
    await bus.close();
  }
}

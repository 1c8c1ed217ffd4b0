/** A bus with something of everything. */
import { until } from '../support/process.js';
import { Asker } from './support.js';

export const HOSTILE = `<script>document.title = 'owned'</script><img src="x" onerror="document.title = 'owned'"> "quoted" &amp; all`;

export interface Stock {
  readonly asker: Asker;
  /** Message ids. */
  readonly answered: number;
  readonly hostile: number;
  readonly failed: number;
  readonly running: number;
  readonly waiting: number;
  readonly dead: number;
}

/** Enough turns of one conversation for a time-out to be proposed. */
const TURNS = 24;

export async function stock(db: string): Promise<Stock> {
  const asker = new Asker(db);
  const busy = await asker.conversation();
  const turns: number[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    turns.push(await asker.put(`!fake delay=${turn} How does part ${turn} work?`, {}, busy));
  }
  const hostile = await asker.put(`!fake echo ${HOSTILE}`);
  const failed = await asker.put('What is in it?', { context_file: 'missing.md' });
  const long = await asker.put(`${'unbroken'.repeat(40)} ${'and a long tail '.repeat(30)}`);
  const dead = await asker.put('!fake error=engine_error Try this one again');
  await until(() => [...turns, hostile, failed, long, dead].every((id) => asker.endOf(id)));
  const slow = await asker.conversation();
  const running = await asker.put('!fake silent What takes so long?', {}, slow);
  const waiting = await asker.put('And what comes after it?', {}, slow);
  return { asker, answered: turns[0] ?? 0, hostile, failed, running, waiting, dead };
}

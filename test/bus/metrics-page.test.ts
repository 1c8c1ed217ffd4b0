import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VIEW_NAMES } from '../../src/bus/index.js';
import { answer, TempBus } from '../support/temp-bus.js';
import { python } from './processes.js';

const PAGE = readFileSync(join(import.meta.dirname, '../../docs/metrics.md'), 'utf8');

/** What the page says of each view: the columns it names, and its example queries. */
const sections = PAGE.split(/^### /m)
  .slice(1)
  .map((section) => {
    const rows = section.matchAll(/^\| (`.*?) \| /gm);
    const columns = [...rows].flatMap(([, names = '']) => [...names.matchAll(/`(\w+)`/g)]);
    const queries = section.matchAll(/```sql\n([\s\S]*?)```/g);
    return {
      view: section.split('\n')[0] ?? '',
      columns: columns.map(([, name]) => name),
      queries: [...queries].map(([, sql = '']) => sql.trim().replace(/;$/, '')),
    };
  });

test('the page describes every view with exactly its columns', () => {
  const temp = new TempBus();
  const known = VIEW_NAMES.map((view) => ({
    view,
    columns: temp.peer.prepare(`SELECT name FROM pragma_table_info('${view}')`).pluck().all(),
  }));
  const named = sections.map(({ view, columns }) => ({ view, columns: [...columns].sort() }));
  const byName = (one: { view: string }, other: { view: string }) =>
    one.view < other.view ? -1 : 1;
  expect(named.sort(byName)).toEqual(
    known.map(({ view, columns }) => ({ view, columns: [...columns].sort() })).sort(byName),
  );
});

test('every query of the page finds something on a bus where something happened', async () => {
  const temp = new TempBus();
  await happen(temp);
  const queries = sections.flatMap((section) => section.queries);
  expect(queries.length).toBeGreaterThanOrEqual(sections.length + 5);
  for (const query of queries) {
    const found = JSON.parse(await python('select.py', temp.file, query).line());
    expect(found, query).not.toEqual([]);
  }
}, 60_000);

/** Twenty answers, one that was given up, one under way, one that waits; a clock, a park, a worker. */
async function happen(temp: TempBus): Promise<void> {
  const bus = temp.open();
  const here = temp.addConversation();
  for (let number = 0; number < 20; number += 1) {
    temp.ask(here, `question ${number}`);
    const [lease] = await bus.claim({ limit: 1, leaseMs: 60_000 });
    const turn = { engine: 'fake', startedAtUs: lease?.claimedAtUs ?? 0 };
    if (lease) await bus.complete(lease, answer('so', { turn }));
  }
  const error = { code: 'timeout', message: 'too slow', attempts: 3, dead: true };
  temp.ask(here, 'too hard');
  const [lost] = await bus.claim({ limit: 1, leaseMs: 60_000 });
  if (lost) await bus.complete(lost, answer('Error: too slow', { error }));
  temp.ask(here, 'under way');
  await bus.claim({ limit: 1, leaseMs: 60_000 });
  temp.ask(here, 'behind it');
  await bus.claim({ limit: 1, leaseMs: 60_000 });
  const soonUs = (Date.now() + 60_000) * 1000;
  temp.peer.exec(`
    INSERT INTO warmline_daily VALUES
      (strftime('%Y-%m-%d', 'now'), 'b', '${here}', 'fake', 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    INSERT INTO warmline_parks VALUES ('b', '', 'engine_limit', 'later', 1, ${soonUs});
    INSERT INTO warmline_timeouts VALUES ('b', '', 'fake', 1000, 'set', 1);
    INSERT INTO warmline_workers VALUES ('boot 1 2', 'b', 1, 2, '{}');
  `);
}

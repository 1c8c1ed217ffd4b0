/** How long turns may take, what they took lately, and what follows from it. */
import type { Timeouts as Reply } from '../../src/http/dashboard/wire.js';
import { call } from '../api.js';
import { messageOf, useLoaded, usePage } from '../context.js';
import { Badge, Empty, Section, Took, Trouble } from '../parts/bits.js';
import { Table } from '../parts/table.js';
import { count, duration, plural } from '../text.js';

type Timeout = Reply['timeouts'][number];

const SOURCES: Readonly<Record<Timeout['source'], string>> = {
  set: 'set',
  adaptive: 'learned',
  setting: 'usual',
};

export function Timeouts() {
  const { data, error } = useLoaded<Reply>('/v1/dashboard/timeouts');
  const apply = useApply();
  const planned = data?.timeouts.filter(({ plannedMs }) => plannedMs !== undefined) ?? [];
  return (
    <Section
      title="Time-outs"
      note={
        planned.length > 1 && (
          <button type="button" class="button primary" onClick={() => apply(planned)}>
            Apply all {planned.length}
          </button>
        )
      }
    >
      <p class="lead">
        A turn may take one and a half times what the slowest of a hundred took in the last{' '}
        {data?.days ?? 7} days. Nothing is proposed on fewer than twenty turns.
      </p>
      <Trouble text={error} />
      {data === undefined ? null : data.timeouts.length === 0 ? (
        <Empty title="No turn has ended lately.">
          <p>
            Where nothing is set, a turn may take <strong>{duration(data.settingMs)}</strong>.
          </p>
        </Empty>
      ) : (
        <List timeouts={data.timeouts} apply={apply} />
      )}
    </Section>
  );
}

function useApply() {
  const { say, live } = usePage();
  return (timeouts: readonly Timeout[]) => {
    const changes = timeouts.flatMap(({ conversationId, engine, plannedMs }) =>
      plannedMs === undefined ? [] : [{ conversationId, engine, timeoutMs: plannedMs }],
    );
    call<{ changed: number }>('/v1/dashboard/timeouts', { body: { changes } }).then(
      ({ changed }) => {
        say(`${plural(changed, 'time-out')} set.`);
        live.look();
      },
      (error: unknown) => say(messageOf(error), true),
    );
  };
}

function nameOf({ conversationId, engine }: Timeout): string {
  return `${conversationId || 'every conversation'}, ${engine || 'every engine'}`;
}

function List(props: {
  timeouts: readonly Timeout[];
  apply: (timeouts: readonly Timeout[]) => void;
}) {
  return (
    <Table
      label="Time-outs"
      rows={props.timeouts}
      keyOf={nameOf}
      columns={[
        {
          title: 'Conversation',
          grows: true,
          cell: ({ conversationId, engine }) => (
            <>
              <span class="mono">{conversationId || 'every conversation'}</span>{' '}
              <span class="faint">{engine || 'every engine'}</span>
            </>
          ),
        },
        { title: 'Turns', end: true, from: 'tablet', cell: ({ samples }) => count(samples) },
        { title: 'p50', end: true, from: 'desktop', cell: ({ p50Ms }) => <Took ms={p50Ms} /> },
        { title: 'p99', end: true, from: 'tablet', cell: ({ p99Ms }) => <Took ms={p99Ms} /> },
        {
          title: 'Now',
          end: true,
          cell: ({ currentMs, source }) => (
            <>
              <Took ms={currentMs} /> <span class="faint from-desktop">{SOURCES[source]}</span>
            </>
          ),
        },
        { title: 'Verdict', from: 'tablet', cell: ({ verdict }) => <Badge word={verdict} /> },
        {
          title: 'Propose',
          end: true,
          cell: (row) =>
            row.plannedMs === undefined ? (
              <span class="faint">–</span>
            ) : (
              <button
                type="button"
                class="button"
                aria-label={`Set ${duration(row.plannedMs)} for ${nameOf(row)}`}
                onClick={() => props.apply([row])}
              >
                Set {duration(row.plannedMs)}
              </button>
            ),
        },
      ]}
    />
  );
}

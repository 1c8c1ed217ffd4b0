/** Questions that ended without an answer, and those that are tried again. */
import type { DeadPage, OpenBus } from '../../src/http/dashboard/wire.js';
import { hrefOf, useLoaded } from '../context.js';
import { Acts } from '../parts/acts.js';
import { At, Badge, Empty, Section, Since, Trouble } from '../parts/bits.js';
import { Pager, usePages } from '../parts/pager.js';
import { QuestionLink, Table } from '../parts/table.js';
import { count, plural } from '../text.js';

type Letter = DeadPage['letters'][number];

export function Failures({ bus }: { bus: OpenBus }) {
  const delayed = bus.conversations.filter(({ state }) => state === 'delayed');
  const pages = usePages('');
  const before = pages.before === undefined ? '' : `&before=${pages.before}`;
  const { data, error } = useLoaded<DeadPage>(`/v1/dashboard/failures?limit=30${before}`);
  const ended = bus.stats.failed + bus.stats.dead;
  return (
    <>
      {delayed.length > 0 && (
        <Section title="Tried again soon" note={plural(delayed.length, 'question')}>
          <ul class="lines">
            {delayed.map(({ oldestId, conversationId, oldestSeenAtUs }) => (
              <li key={conversationId}>
                <Badge word="delayed" />
                <QuestionLink view="failures" id={oldestId} text={`question ${oldestId}`} />
                <Since us={oldestSeenAtUs} />
                <Acts id={oldestId} status="delayed" />
              </li>
            ))}
          </ul>
        </Section>
      )}
      <Section title="Failed and dead" note={ended > 0 && `${count(ended)} in all`}>
        <Trouble text={error} />
        {data !== undefined && <Letters letters={data.letters} />}
        <Pager pages={pages} nextBefore={data?.nextBeforeId} />
      </Section>
    </>
  );
}

function Letters({ letters }: { letters: readonly Letter[] }) {
  if (letters.length === 0) {
    return (
      <Empty title="Nothing has failed.">
        <p>A question that cannot be answered stays here, with a button that asks it again.</p>
      </Empty>
    );
  }
  return (
    <Table
      label="Failed and dead questions"
      rows={letters}
      keyOf={({ questionId }) => questionId}
      columns={[
        { title: 'End', cell: ({ outcome }) => <Badge word={outcome} /> },
        {
          title: 'Question',
          grows: true,
          cell: (row) => <QuestionLink view="failures" id={row.questionId} text={row.question} />,
        },
        {
          title: 'Why',
          from: 'tablet',
          cell: ({ code }) => <span class="mono">{code ?? '–'}</span>,
        },
        { title: 'Engine', from: 'desktop', cell: ({ engine }) => engine ?? '–' },
        { title: 'Tries', end: true, from: 'desktop', cell: ({ attempts }) => attempts },
        {
          title: 'Ended',
          end: true,
          from: 'tablet',
          cell: ({ endedAtUs }) => <At us={endedAtUs} />,
        },
        {
          title: 'Act',
          end: true,
          cell: ({ questionId, outcome, redrivenAs }) =>
            redrivenAs === undefined ? (
              <Acts id={questionId} status={outcome} />
            ) : (
              <a href={hrefOf('failures', redrivenAs)}>asked again: {redrivenAs}</a>
            ),
        },
      ]}
    />
  );
}

/** Every question there is, newest first. */
import { useState } from 'preact/hooks';
import type { Question, QuestionPage } from '../../src/http/dashboard/wire.js';
import { useLoaded } from '../context.js';
import { Badge, Empty, Section, Since, Took, Trouble } from '../parts/bits.js';
import { Pager, usePages } from '../parts/pager.js';
import { QuestionLink, Table } from '../parts/table.js';
import { count } from '../text.js';

const FILTERS: readonly (readonly [name: string, statuses: string])[] = [
  ['All', ''],
  ['Waiting', 'pending,expired'],
  ['Running', 'processing'],
  ['Answered', 'complete'],
  ['Failed', 'failed,timeout,dead'],
  ['Cancelled', 'cancelled'],
  ['Ignored', 'ignored'],
];

export function Questions() {
  const [status, setStatus] = useState('');
  const [conversation, setConversation] = useState('');
  const pages = usePages(`${status} ${conversation}`);
  const query = new URLSearchParams({
    limit: '30',
    ...(status !== '' && { status }),
    ...(conversation !== '' && { conversation }),
    ...(pages.before !== undefined && { before: String(pages.before) }),
  });
  const { data, error } = useLoaded<QuestionPage>(`/v1/dashboard/questions?${query}`);
  return (
    <Section title="Questions">
      <div class="filters">
        <fieldset class="choice">
          <legend class="hidden">Which state</legend>
          {FILTERS.map(([name, statuses]) => (
            <label key={name}>
              <input
                type="radio"
                name="status"
                checked={status === statuses}
                onChange={() => setStatus(statuses)}
              />
              <span>{name}</span>
            </label>
          ))}
        </fieldset>
        <input
          type="search"
          aria-label="Conversation"
          placeholder="conversation id"
          maxLength={200}
          value={conversation}
          onInput={(event) => setConversation(event.currentTarget.value.trim())}
        />
      </div>
      <Trouble text={error} />
      {data !== undefined && <Page page={data} isFiltered={query.size > 1} />}
      <Pager pages={pages} nextBefore={data?.nextBeforeId} />
    </Section>
  );
}

function Page({ page, isFiltered }: { page: QuestionPage; isFiltered: boolean }) {
  const { questions, takenAtUs, nextBeforeId } = page;
  if (questions.length > 0) return <List questions={questions} readUs={takenAtUs} />;
  if (nextBeforeId !== undefined)
    return <Empty title="None among the latest; there are older ones." />;
  if (isFiltered) return <Empty title="No question matches." />;
  return (
    <Empty title="No questions yet.">
      <p>
        Send one with <code>warmline send "…"</code>.
      </p>
    </Empty>
  );
}

function List({ questions, readUs }: { questions: readonly Question[]; readUs: number }) {
  return (
    <Table
      label="Questions"
      rows={questions}
      keyOf={({ messageId }) => messageId}
      columns={[
        { title: 'Id', end: true, from: 'tablet', cell: ({ messageId }) => messageId },
        { title: 'State', cell: ({ status }) => <Badge word={status} /> },
        {
          title: 'Question',
          grows: true,
          cell: (row) => <QuestionLink view="questions" id={row.messageId} text={row.question} />,
        },
        { title: 'From', from: 'desktop', cell: ({ source }) => source ?? '–' },
        { title: 'Engine', from: 'desktop', cell: ({ engine }) => engine ?? '–' },
        { title: 'Tries', end: true, from: 'tablet', cell: ({ attempts }) => count(attempts) },
        {
          title: 'Age, took',
          end: true,
          cell: (row) =>
            row.finishedAtUs === undefined ? (
              <Since us={readUs - row.ageMs * 1000} />
            ) : (
              <Took ms={row.ageMs} />
            ),
        },
      ]}
    />
  );
}

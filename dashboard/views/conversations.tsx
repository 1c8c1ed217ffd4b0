/** Conversations with questions that are not answered yet. */
import type { Conversation, OpenBus } from '../../src/http/dashboard/wire.js';
import { hrefOf } from '../context.js';
import { Acts } from '../parts/acts.js';
import { Badge, Empty, Section, Since } from '../parts/bits.js';
import { Table } from '../parts/table.js';
import { count, plural } from '../text.js';

const MEANING: Readonly<Record<string, string>> = {
  pending: 'waits for a free worker',
  processing: 'is being answered',
  delayed: 'is tried again later',
  waiting: 'waits for other questions',
  expired: 'nobody can open it any more',
};

export function Conversations({ bus }: { bus: OpenBus }) {
  const { conversations } = bus;
  return (
    <Section
      title="Unfinished conversations"
      note={conversations.length > 0 && plural(conversations.length, 'conversation')}
    >
      {conversations.length === 0 ? (
        <Empty title="Every conversation is answered.">
          <p>
            What was asked before stands among the <a href={hrefOf('questions')}>questions</a>.
          </p>
        </Empty>
      ) : (
        <List conversations={conversations} />
      )}
    </Section>
  );
}

function List({ conversations }: { conversations: readonly Conversation[] }) {
  return (
    <Table
      label="Unfinished conversations"
      rows={conversations}
      keyOf={({ conversationId }) => conversationId}
      columns={[
        {
          title: 'Conversation',
          grows: true,
          cell: ({ conversationId, oldestId }) => (
            <a class="mono" href={hrefOf('conversations', oldestId)}>
              {conversationId}
            </a>
          ),
        },
        { title: 'State', cell: ({ state }) => <Badge word={state} /> },
        {
          title: 'Its oldest question',
          from: 'desktop',
          cell: ({ state }) => <span class="faint">{MEANING[state] ?? ''}</span>,
        },
        { title: 'Open', end: true, from: 'tablet', cell: ({ unfinished }) => count(unfinished) },
        { title: 'Oldest', end: true, cell: ({ oldestSeenAtUs }) => <Since us={oldestSeenAtUs} /> },
        {
          title: 'Act',
          end: true,
          from: 'tablet',
          cell: ({ oldestId, state }) => <Acts id={oldestId} status={state} />,
        },
      ]}
    />
  );
}

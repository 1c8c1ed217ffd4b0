/** What goes on now, in one look. */
import { useState } from 'preact/hooks';
import type { OpenBus, Question, SeriesReply, State } from '../../src/http/dashboard/wire.js';
import { hrefOf, useLoaded } from '../context.js';
import { Acts } from '../parts/acts.js';
import { At, Badge, Empty, Section, Since, Took, Trouble } from '../parts/bits.js';
import { Chart } from '../parts/chart.js';
import { QuestionLink, Table } from '../parts/table.js';
import { count, duration, plural } from '../text.js';
import { EngineCards } from './engines.js';
import { NoBus } from './no-bus.js';

export function Overview({ state }: { state: State }) {
  const { bus } = state;
  return (
    <>
      <Warnings state={state} />
      {bus.at === 'open' ? (
        <>
          <Tiles state={state} bus={bus} />
          <Charts />
          <div class="columns">
            <Running questions={bus.running} readUs={state.takenAtUs} />
            <Latest questions={bus.latest} readUs={state.takenAtUs} />
          </div>
        </>
      ) : (
        <NoBus bus={bus} />
      )}
      <Section title="Engines" note={<a href={hrefOf('engines')}>sessions</a>}>
        <EngineCards engines={state.engines} />
      </Section>
    </>
  );
}

function Warnings({ state: { warnings } }: { state: State }) {
  if (warnings.length === 0) return null;
  return (
    <ul class="warnings" aria-label="Warnings">
      {warnings.map(({ key, severity, message, sinceUs }) => (
        <li key={key} class={severity}>
          <Badge word={severity} />
          <span class="what">{message}</span>
          {sinceUs !== undefined && <Since us={sinceUs} />}
        </li>
      ))}
    </ul>
  );
}

function Tile(props: {
  label: string;
  value: preact.ComponentChildren;
  note: string;
  href?: string;
}) {
  const { label, value, note, href } = props;
  return (
    <div class="tile">
      <dt>{href === undefined ? label : <a href={href}>{label}</a>}</dt>
      <dd class="value num">{value}</dd>
      <dd class="note">{note}</dd>
    </div>
  );
}

function Tiles({ state, bus }: { state: State; bus: OpenBus }) {
  const { stats, recent, workers } = bus;
  const { pending, leased, delayed, waiting, expired, oldestPendingMs } = stats;
  const parts = [
    delayed > 0 && `${count(delayed)} try again later`,
    waiting > 0 && `${count(waiting)} wait for others`,
    expired > 0 && `${count(expired)} expired`,
  ].filter(Boolean);
  const autopolls = workers.filter(({ gone }) => !gone).length;
  const busy = state.sessions.filter((session) => session.state === 'busy').length;
  const ends = stats.failed + stats.dead;
  return (
    <dl class="tiles">
      <Tile
        label="Being answered"
        value={count(leased)}
        note={`${busy} of ${plural(state.sessions.length, 'session')} busy · ${plural(autopolls, 'autopoll')}`}
      />
      <Tile
        label="Waiting"
        value={count(pending)}
        note={parts.length === 0 ? 'nothing held up' : parts.join(' · ')}
        href={hrefOf('conversations')}
      />
      <Tile
        label="Oldest waiting"
        value={
          oldestPendingMs === 0 ? '–' : <Since us={state.takenAtUs - oldestPendingMs * 1000} />
        }
        note={oldestPendingMs === 0 ? 'nobody waits' : 'since it was asked'}
      />
      <Tile
        label="A minute"
        value={count(recent.perMinute)}
        note={
          recent.totalMs === undefined
            ? 'none answered yet'
            : `median ${duration(recent.totalMs.p50)} · p95 ${duration(recent.totalMs.p95)}`
        }
      />
      <Tile
        label="Answered"
        value={count(stats.complete)}
        note={
          ends === 0 ? 'none failed' : `${count(stats.failed)} failed · ${count(stats.dead)} dead`
        }
        href={hrefOf('failures')}
      />
    </dl>
  );
}

const WINDOWS = [
  [15, '15 min'],
  [60, '1 h'],
  [360, '6 h'],
  [1440, '24 h'],
] as const;

function Charts() {
  const [minutes, setMinutes] = useState(60);
  const { data, error } = useLoaded<SeriesReply>(`/v1/dashboard/series?minutes=${minutes}`);
  const choice = (
    <fieldset class="choice">
      <legend class="hidden">How far back</legend>
      {WINDOWS.map(([value, name]) => (
        <label key={value}>
          <input
            type="radio"
            name="window"
            checked={minutes === value}
            onChange={() => setMinutes(value)}
          />
          <span>{name}</span>
        </label>
      ))}
    </fieldset>
  );
  return (
    <Section title="Over time" note={choice}>
      <Trouble text={error} />
      {data === undefined ? (
        <div class="charts waiting" />
      ) : data.points.every(({ complete, failed }) => complete + failed === 0) ? (
        <Empty title="No question ended in this time." />
      ) : (
        <TwoCharts series={data} />
      )}
    </Section>
  );
}

function TwoCharts({ series: { points, stepUs, knownFromUs } }: { series: SeriesReply }) {
  const isCut = knownFromUs > (points[0]?.atUs ?? 0);
  const times = points.map(({ atUs }) => atUs / 1e6);
  const known = points.map(({ atUs }) => atUs >= knownFromUs);
  const perMinute = (value: number, at: number) =>
    known[at] === true ? (value * 60e6) / stepUs : null;
  const quantile = (name: 'p50' | 'p95' | 'p99') =>
    points.map(({ totalMs }) => totalMs?.[name] ?? null);
  return (
    <div class="charts">
      {isCut && (
        <p class="note whole">
          So many ended that the chart begins at <At us={knownFromUs} />.
        </p>
      )}
      <div>
        <h3>Questions a minute</h3>
        <Chart
          label="Questions that ended, a minute"
          stacked
          times={times}
          format={(value) =>
            value < 10 ? String(Math.round(value * 100) / 100) : count(Math.round(value))
          }
          lines={[
            {
              label: 'answered',
              colour: '--good',
              values: points.map(({ complete }, at) => perMinute(complete, at)),
            },
            {
              label: 'failed',
              colour: '--bad',
              values: points.map(({ failed }, at) => perMinute(failed, at)),
            },
          ]}
        />
      </div>
      <div>
        <h3>Time until answered</h3>
        <Chart
          label="From when a question was seen until it was answered"
          times={times}
          format={duration}
          lines={[
            { label: 'p50', colour: '--accent', values: quantile('p50') },
            { label: 'p95', colour: '--busy', values: quantile('p95') },
            { label: 'p99', colour: '--faint', values: quantile('p99') },
          ]}
        />
      </div>
    </div>
  );
}

function Running({ questions, readUs }: { questions: readonly Question[]; readUs: number }) {
  return (
    <Section
      title="Running now"
      note={questions.length > 0 && plural(questions.length, 'question')}
    >
      {questions.length === 0 ? (
        <Empty title="Nothing is being answered." />
      ) : (
        <ul class="lines">
          {questions.map((question) => (
            <li key={question.messageId}>
              <Badge word="processing" />
              <QuestionLink view="overview" id={question.messageId} text={question.question} />
              <Since us={readUs - question.ageMs * 1000} />
              <Acts id={question.messageId} status={question.status} />
            </li>
          ))}
        </ul>
      )}
    </Section>
  );
}

function Latest({ questions, readUs }: { questions: readonly Question[]; readUs: number }) {
  return (
    <Section title="Latest questions" note={<a href={hrefOf('questions')}>all</a>}>
      {questions.length === 0 ? (
        <Empty title="No questions yet.">
          <p>
            Send one with <code>warmline send "…"</code>, or <a href={hrefOf('ask')}>ask here</a>.
          </p>
        </Empty>
      ) : (
        <Table
          label="Latest questions"
          rows={questions}
          keyOf={({ messageId }) => messageId}
          columns={[
            { title: 'State', cell: ({ status }) => <Badge word={status} /> },
            {
              title: 'Question',
              grows: true,
              cell: (row) => (
                <QuestionLink view="overview" id={row.messageId} text={row.question} />
              ),
            },
            {
              title: 'Took',
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
      )}
    </Section>
  );
}

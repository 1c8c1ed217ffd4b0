/** Engines and their warm sessions. */
import type { Engine, Session, State } from '../../src/http/dashboard/wire.js';
import { usePage } from '../context.js';
import { At, Badge, Empty, Section, Since, Took } from '../parts/bits.js';
import { Table } from '../parts/table.js';
import { bytes, count } from '../text.js';

export function Engines({ state }: { state: State }) {
  const { sessions, takenAtUs } = state;
  return (
    <>
      <Section title="Engines">
        <EngineCards engines={state.engines} />
      </Section>
      <Section title="Sessions">
        {sessions.length === 0 ? (
          <Empty title="No session is open." />
        ) : (
          <Sessions sessions={sessions} readUs={takenAtUs} />
        )}
      </Section>
    </>
  );
}

export function EngineCards({ engines }: { engines: readonly Engine[] }) {
  return (
    <ul class="cards">
      {engines.map((engine) => (
        <li key={engine.engine} class="card">
          <header>
            <h3>{engine.engine}</h3>
            <Badge word={engine.trouble === 'parked' ? 'parked' : engine.state} />
          </header>
          <p class="note">
            {engine.model}
            {engine.default && ' · default'}
            {engine.fallback !== null && ` · falls back to ${engine.fallback}`}
          </p>
          <Bar engine={engine} />
          <dl class="facts">
            <div>
              <dt>queued</dt>
              <dd class="num">{count(engine.queued)}</dd>
            </div>
            <div>
              <dt>p50</dt>
              <dd>
                <Took ms={engine.latency_ms.p50} />
              </dd>
            </div>
            <div>
              <dt>p95</dt>
              <dd>
                <Took ms={engine.latency_ms.p95} />
              </dd>
            </div>
            <div>
              <dt>p99</dt>
              <dd>
                <Took ms={engine.latency_ms.p99} />
              </dd>
            </div>
          </dl>
          <EngineTrouble engine={engine} />
        </li>
      ))}
    </ul>
  );
}

/** A cell for each session there may be. */
function Bar({ engine: { sessions } }: { engine: Engine }) {
  const { busy, warm, starting, size } = sessions;
  const words = [`${busy} busy`, `${warm} warm`, ...(starting > 0 ? [`${starting} starting`] : [])];
  return (
    <div class="bar">
      <meter class="hidden" min={0} max={size} value={busy}>
        {words.join(', ')}
      </meter>
      <span class="cells" aria-hidden="true">
        {Array.from({ length: Math.min(size, 24) }, (_, at) => {
          const is = at < busy ? 'busy' : at < busy + warm ? 'warm' : 'free';
          // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its place
          return <i key={at} class={is} />;
        })}
      </span>
      <span class="note">
        {words.join(' · ')} of {size}
      </span>
    </div>
  );
}

function EngineTrouble({ engine }: { engine: Engine }) {
  const { seen } = usePage();
  const { trouble, retry_at_ms: retryAtMs, last_failure: last, auth } = engine;
  if (trouble === null && last === null && auth !== 'failed') return null;
  const nowUs = seen.state?.takenAtUs ?? 0;
  return (
    <div class="engine-trouble">
      {trouble !== null && (
        <p>
          {trouble.replaceAll('_', ' ')}
          {retryAtMs !== null && (
            <>
              {' until '}
              <At us={retryAtMs * 1000} />
            </>
          )}
        </p>
      )}
      {auth === 'failed' && <p>the login has failed</p>}
      {last !== null && (
        <p class="note">
          last failure <Since us={nowUs - last.ago_ms * 1000} /> ago, {last.code}: {last.message}
        </p>
      )}
    </div>
  );
}

function Sessions({ sessions, readUs }: { sessions: readonly Session[]; readUs: number }) {
  return (
    <Table
      label="Sessions"
      rows={sessions}
      keyOf={({ session }) => session}
      columns={[
        { title: 'Session', cell: ({ session }) => <span class="mono">{session}</span> },
        { title: 'State', cell: ({ state }) => <Badge word={state} /> },
        { title: 'Engine', from: 'tablet', cell: ({ engine }) => engine },
        {
          title: 'Key, context',
          grows: true,
          from: 'tablet',
          cell: ({ key, context }) =>
            [key && `key ${key}`, context].filter(Boolean).join(' · ') || (
              <span class="faint">fresh</span>
            ),
        },
        { title: 'Turns', end: true, cell: ({ turns }) => count(turns) },
        {
          title: 'Idle',
          end: true,
          cell: ({ state, idle_ms }) =>
            state === 'ready' ? <Since us={readUs - idle_ms * 1000} /> : '–',
        },
        {
          title: 'Age',
          end: true,
          from: 'tablet',
          cell: ({ age_ms }) => <Since us={readUs - age_ms * 1000} />,
        },
        {
          title: 'Memory',
          end: true,
          from: 'desktop',
          cell: ({ memory_bytes }) => (memory_bytes === null ? '–' : bytes(memory_bytes)),
        },
      ]}
    />
  );
}

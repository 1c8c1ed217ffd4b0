/** The frame: where one is, how fresh it is, and what was just done. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { State } from '../src/http/dashboard/wire.js';
import { keepToken } from './api.js';
import { hrefOf, type Page, PageContext, useNowUs, usePage, usePlace } from './context.js';
import { Live, type Seen } from './live.js';
import { Badge } from './parts/bits.js';
import { clockTime, count } from './text.js';
import { ThemeSwitch } from './theme.js';
import { Ask } from './views/ask.js';
import { Conversations } from './views/conversations.js';
import { Drawer } from './views/drawer.js';
import { Engines } from './views/engines.js';
import { Failures } from './views/failures.js';
import { NoBus } from './views/no-bus.js';
import { Overview } from './views/overview.js';
import { Questions } from './views/questions.js';
import { Timeouts } from './views/timeouts.js';

const VIEWS: readonly (readonly [view: string, name: string])[] = [
  ['overview', 'Overview'],
  ['questions', 'Questions'],
  ['conversations', 'Conversations'],
  ['engines', 'Sessions & engines'],
  ['failures', 'Failures'],
  ['timeouts', 'Time-outs'],
  ['ask', 'Ask'],
];

interface Said {
  readonly text: string;
  readonly isBad: boolean;
}

/** What was done stays to be read so long, in milliseconds. */
const SAID_MS = 6_000;

export function App() {
  const [seen, setSeen] = useState<Seen>();
  const [said, setSaid] = useState<Said>();
  const live = useMemo(() => new Live(() => setSeen(live.seen)), []);
  useEffect(() => live.start(), [live]);
  useEffect(() => {
    if (said === undefined) return;
    const timer = setTimeout(() => setSaid(undefined), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const page: Page = {
    seen: seen ?? live.seen,
    live,
    say: (text, isBad = false) => setSaid({ text, isBad }),
  };
  return (
    <PageContext.Provider value={page}>
      <Frame />
      <div class="toasts" role="status">
        {said !== undefined && <p class={said.isBad ? 'toast bad' : 'toast'}>{said.text}</p>}
      </div>
    </PageContext.Provider>
  );
}

function Frame() {
  const { seen } = usePage();
  const { view, id } = usePlace();
  const name = VIEWS.find(([known]) => known === view)?.[1] ?? 'Overview';
  const { link, state } = seen;
  useEffect(() => {
    const leased = state?.bus.at === 'open' ? state.bus.stats.leased : 0;
    document.title = `${leased > 0 ? `(${leased}) ` : ''}${name} · warmline`;
  }, [name, state]);
  const views = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another view is why
  useEffect(() => {
    const current = views.current?.querySelector('[aria-current]');
    current?.scrollIntoView({ block: 'nearest', inline: 'center' });
  }, [view]);
  if (link.at === 'locked') return <Locked />;
  return (
    <div class="frame">
      <button type="button" class="skip" onClick={skip}>
        Skip to the content
      </button>
      <header class="top">
        <a class="mark" href={hrefOf('overview')}>
          <i
            aria-hidden="true"
            class={`ember ${link.at === 'lost' ? 'lost' : (state?.status ?? '')}`}
          />
          warmline
        </a>
        <Freshness />
        <ThemeSwitch />
      </header>
      <nav ref={views} class="views" aria-label="Views">
        {VIEWS.map(([each, title]) => (
          <a key={each} href={hrefOf(each)} aria-current={each === view ? 'page' : undefined}>
            {title}
            <Counter view={each} state={state} />
          </a>
        ))}
      </nav>
      <main id="main" tabIndex={-1} class={link.at === 'lost' ? 'stale' : ''}>
        <h1 class="hidden">{name}</h1>
        {link.at === 'lost' && <Lost why={link.why} />}
        {state === undefined ? <Waiting /> : <View view={view} state={state} />}
      </main>
      {id !== undefined && <Drawer key={id} id={id} view={view} />}
    </div>
  );
}

/** The address names the view, so no link can lead to the content itself. */
function skip(): void {
  document.getElementById('main')?.focus();
}

function View({ view, state }: { view: string; state: State }) {
  const { bus } = state;
  if (view === 'engines') return <Engines state={state} />;
  if (view === 'ask') return <Ask engines={state.engines} />;
  const known = VIEWS.some(([each]) => each === view);
  if (view === 'overview' || !known) return <Overview state={state} />;
  if (bus.at !== 'open') return <NoBus bus={bus} />;
  if (view === 'questions') return <Questions />;
  if (view === 'conversations') return <Conversations bus={bus} />;
  if (view === 'failures') return <Failures bus={bus} />;
  return <Timeouts />;
}

function Counter({ view, state }: { view: string; state: State | undefined }) {
  if (state?.bus.at !== 'open') return null;
  const { stats, conversations } = state.bus;
  const value =
    view === 'conversations'
      ? conversations.length
      : view === 'failures'
        ? stats.failed + stats.dead
        : 0;
  return value === 0 ? null : <span class="counter num">{count(value)}</span>;
}

function Freshness() {
  const { seen } = usePage();
  const { link, state } = seen;
  if (state === undefined || link.at !== 'live') {
    return <span class="fresh">{link.at === 'lost' ? 'not connected' : 'connecting …'}</span>;
  }
  return (
    <span class="fresh">
      <Badge word={state.status} />
      <span class="from-tablet" title={link.pushed ? 'changes are pushed' : 'looked at every 2 s'}>
        live
      </span>
    </span>
  );
}

function Lost({ why }: { why: string }) {
  const nowUs = useNowUs();
  return (
    <p class="trouble" role="alert">
      Not connected: {why}. What is shown is as of {clockTime(nowUs, nowUs)}; trying again.
    </p>
  );
}

function Waiting() {
  return <p class="note">Looking …</p>;
}

function Locked() {
  const { live } = usePage();
  const field = useRef<HTMLInputElement>(null);
  const [tried, setTried] = useState(false);
  useEffect(() => field.current?.focus(), []);
  return (
    <main class="locked">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          keepToken(field.current?.value.trim() || undefined);
          setTried(true);
          live.unlock();
        }}
      >
        <h1 class="mark">
          <i aria-hidden="true" class="ember ok" />
          warmline
        </h1>
        <p>This server asks for its token.</p>
        <label>
          <span class="hidden">Token</span>
          <input ref={field} type="password" autocomplete="off" spellcheck={false} required />
        </label>
        <button type="submit" class="button primary">
          Open
        </button>
        {tried && (
          <p class="trouble" role="alert">
            That is not the token of this server.
          </p>
        )}
        <p class="note">
          It stands in the file that the server was started with, <code>--token-file</code>. It is
          kept until this tab is closed.
        </p>
      </form>
    </main>
  );
}

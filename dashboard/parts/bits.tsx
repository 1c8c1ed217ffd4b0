/** Small things that every view is made of. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { useNowUs } from '../context.js';
import { age, clockTime, duration } from '../text.js';

const TONES: Readonly<Record<string, string>> = {
  ok: 'good',
  complete: 'good',
  ready: 'good',
  OK: 'good',
  processing: 'busy',
  busy: 'busy',
  starting: 'busy',
  retried: 'warn',
  delayed: 'warn',
  waiting: 'warn',
  expired: 'warn',
  degraded: 'warn',
  leaving: 'warn',
  warning: 'warn',
  TOO_HIGH: 'warn',
  TOO_LOW: 'bad',
  failed: 'bad',
  timeout: 'bad',
  dead: 'bad',
  down: 'bad',
  severe: 'bad',
  parked: 'bad',
  quarantined: 'bad',
};

/** A word for a state; its colour only repeats what the word says. */
export function Badge({ word, text = word }: { word: string; text?: string }) {
  return (
    <span class={`badge ${TONES[word] ?? ''}`}>{text.toLowerCase().replaceAll('_', ' ')}</span>
  );
}

/** How long it has been, going on by itself. */
export function Since({ us }: { us: number }) {
  const nowUs = useNowUs();
  return (
    <time class="num" title={clockTime(us, nowUs)} data-since-us={us}>
      {age((nowUs - us) / 1000)}
    </time>
  );
}

export function At({ us }: { us: number }) {
  const nowUs = useNowUs();
  return (
    <time class="num" title={new Date(us / 1000).toISOString()}>
      {clockTime(us, nowUs)}
    </time>
  );
}

export function Took({ ms }: { ms: number | null | undefined }) {
  return <span class="num">{ms == null ? '–' : duration(ms)}</span>;
}

export function Section(props: {
  title: string;
  note?: ComponentChildren;
  children: ComponentChildren;
}) {
  return (
    <section class="section">
      <header>
        <h2>{props.title}</h2>
        {props.note !== undefined && <div class="note">{props.note}</div>}
      </header>
      {props.children}
    </section>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Trouble({ text }: { text: string | undefined }) {
  if (text === undefined) return null;
  return (
    <p class="trouble" role="alert">
      {text}
    </p>
  );
}

/** A button for what cannot be undone: it asks once more, in its own place, until one leaves it. */
export function Careful(props: { label: string; ask: string; act: () => void; about: string }) {
  const [asked, setAsked] = useState(false);
  const press = () => {
    setAsked(!asked);
    if (asked) props.act();
  };
  return (
    <button
      type="button"
      class={asked ? 'button danger' : 'button'}
      aria-label={`${asked ? props.ask : props.label}: ${props.about}`}
      onClick={press}
      onBlur={() => setAsked(false)}
    >
      {asked ? props.ask : props.label}
    </button>
  );
}

/** Asks a warm session and shows the answer as it comes. It goes past the queue: nothing is kept. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Engine } from '../../src/http/dashboard/wire.js';
import { ApiError, events, open } from '../api.js';
import { messageOf } from '../context.js';
import { Empty, Section, Took } from '../parts/bits.js';

interface Turn {
  readonly id: number;
  readonly question: string;
  readonly answer: string;
  readonly sources: readonly string[];
  readonly model: string | undefined;
  readonly tookMs: number | undefined;
  readonly state: 'running' | 'done' | 'stopped' | { readonly failed: string };
}

interface Chunk {
  readonly model?: string;
  readonly choices?: readonly { readonly delta?: { readonly content?: string } }[];
  readonly warmline?: { readonly sources: readonly string[] };
  readonly error?: { readonly message: string };
}

/** Earlier turns stay on the page until it is left. */
const MOST_TURNS = 20;

export function Ask({ engines }: { engines: readonly Engine[] }) {
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const [engine, setEngine] = useState('');
  const [context, setContext] = useState('');
  const field = useRef<HTMLTextAreaElement>(null);
  const running = useRef<AbortController | undefined>(undefined);
  useEffect(() => () => running.current?.abort(), []);
  const isRunning = turns[0]?.state === 'running';

  const update = (id: number, change: (turn: Turn) => Turn) =>
    setTurns((all) => all.map((turn) => (turn.id === id ? change(turn) : turn)));

  const ask = async () => {
    const question = field.current?.value.trim() ?? '';
    if (question === '' || isRunning) return;
    const stop = new AbortController();
    running.current = stop;
    const id = Date.now();
    const startedMs = performance.now();
    const fresh: Turn = {
      ...{ id, question, answer: '', sources: [], state: 'running' },
      ...{ model: undefined, tookMs: undefined },
    };
    setTurns((all) => [fresh, ...all].slice(0, MOST_TURNS));
    if (field.current !== null) field.current.value = '';
    const end = (state: Turn['state']) =>
      update(id, (turn) => ({ ...turn, state, tookMs: performance.now() - startedMs }));
    try {
      const body = {
        messages: [{ role: 'user', content: question }],
        stream: true,
        ...(engine !== '' && { model: engine }),
        ...(context !== '' && { context_file: context }),
      };
      const reply = await open('/v1/chat/completions', { body, signal: stop.signal });
      for await (const data of events(reply)) {
        if (data === '[DONE]') break;
        const chunk = JSON.parse(data) as Chunk;
        if (chunk.error !== undefined) throw new ApiError(502, chunk.error.message);
        update(id, (turn) => grown(turn, chunk));
      }
      end('done');
    } catch (error) {
      end(stop.signal.aborted ? 'stopped' : { failed: messageOf(error) });
    }
  };

  return (
    <Section title="Ask">
      <form
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <textarea
          ref={field}
          rows={3}
          aria-label="Question"
          placeholder="What would you like to know?"
          onKeyDown={(event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            void ask();
          }}
        />
        <div class="ask-row">
          <label>
            <span class="hidden">Engine</span>
            <select value={engine} onChange={(event) => setEngine(event.currentTarget.value)}>
              <option value="">default engine</option>
              {engines.map(({ engine: name }) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <input
            aria-label="Context file"
            placeholder="context file (optional)"
            value={context}
            onInput={(event) => setContext(event.currentTarget.value.trim())}
          />
          {isRunning ? (
            <button type="button" class="button" onClick={() => running.current?.abort()}>
              Stop
            </button>
          ) : (
            <button type="submit" class="button primary">
              Ask
            </button>
          )}
        </div>
      </form>
      <div class="turns" aria-live="polite" aria-busy={isRunning}>
        {turns.length === 0 ? (
          <Empty title="Ask a warm session directly.">
            <p>
              The answer streams in here, with the lines it rests on. Enter sends, Shift+Enter
              breaks the line.
            </p>
          </Empty>
        ) : (
          turns.map((turn) => <TurnView key={turn.id} turn={turn} />)
        )}
      </div>
    </Section>
  );
}

function grown(turn: Turn, { model, choices, warmline }: Chunk): Turn {
  const text = choices?.[0]?.delta?.content ?? '';
  return {
    ...turn,
    answer: turn.answer + text,
    model: model ?? turn.model,
    sources: warmline?.sources ?? turn.sources,
  };
}

function TurnView({ turn: { question, answer, sources, model, tookMs, state } }: { turn: Turn }) {
  return (
    <article class="turn">
      <p class="asked">{question}</p>
      <p class={state === 'running' ? 'answer writing' : 'answer'}>{answer}</p>
      {typeof state === 'object' && <p class="trouble">{state.failed}</p>}
      <Sources sources={sources} />
      {tookMs !== undefined && (
        <p class="note">
          {state === 'stopped' ? 'stopped after ' : `${model ?? ''} · `}
          <Took ms={tookMs} />
        </p>
      )}
    </article>
  );
}

export function Sources({ sources }: { sources: readonly string[] }) {
  if (sources.length === 0) return null;
  return (
    <ul class="sources" aria-label="Sources">
      {sources.map((source) => (
        <li key={source} class="mono">
          {source}
        </li>
      ))}
    </ul>
  );
}

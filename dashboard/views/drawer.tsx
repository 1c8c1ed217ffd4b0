/** All that is known of one question, over the view one came from. */
import { useEffect, useRef } from 'preact/hooks';
import type { Details, Waits } from '../../src/http/dashboard/wire.js';
import { hrefOf, useLoaded } from '../context.js';
import { Acts } from '../parts/acts.js';
import { At, Badge, Since, Took, Trouble } from '../parts/bits.js';
import { Sources } from './ask.js';

export function Drawer({ id, view }: { id: number; view: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { data, error } = useLoaded<Details>(`/v1/dashboard/questions/${id}`);
  useEffect(() => {
    const element = dialog.current;
    const opener = document.activeElement;
    // A dialog keeps the keyboard inside, makes the rest inert and closes on Escape.
    element?.showModal();
    return () => {
      element?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  const leave = () => {
    location.hash = hrefOf(view);
  };
  return (
    <dialog
      ref={dialog}
      class="drawer"
      aria-label={`Question ${id}`}
      onCancel={(event) => {
        event.preventDefault();
        leave();
      }}
      closedby="any"
    >
      <div class="drawer-body">
        <header class="drawer-head">
          <h2>
            Question <span class="num">{id}</span>
          </h2>
          {data !== undefined && <Badge word={data.status} />}
          <button type="button" class="quiet close" aria-label="Close" onClick={leave}>
            ✕
          </button>
        </header>
        <Trouble text={error} />
        {data === undefined ? (
          error === undefined && <p class="note">…</p>
        ) : (
          <Body details={data} view={view} />
        )}
      </div>
    </dialog>
  );
}

function Body({ details, view }: { details: Details; view: string }) {
  const { messageId, status, text, answer, attempts, redrivenAs, redriveOf } = details;
  return (
    <>
      <div class="drawer-acts">
        <Acts id={messageId} status={status} redriven={redrivenAs !== undefined} />
      </div>
      <p class="asked">{text ?? <em>The question is no longer on the bus.</em>}</p>
      <Facts details={details} />
      {redriveOf !== undefined && (
        <p class="note">
          asks <a href={hrefOf(view, redriveOf)}>question {redriveOf}</a> again
        </p>
      )}
      {redrivenAs !== undefined && (
        <p class="note">
          asked again as <a href={hrefOf(view, redrivenAs)}>question {redrivenAs}</a>
        </p>
      )}
      {answer !== undefined && (
        <section>
          <h3>Answer</h3>
          <p class={answer.isError ? 'answer is-error' : 'answer'}>{answer.text}</p>
          <Sources sources={answer.sources} />
        </section>
      )}
      {(attempts.length > 0 || details.processing !== undefined) && (
        <section>
          <h3>Attempts</h3>
          <ol class="timeline">
            {attempts.map((attempt) => (
              <Attempt key={attempt.attempt} attempt={attempt} />
            ))}
            {details.processing !== undefined && (
              <li>
                <Badge word="processing" />
                <span>attempt {details.processing.attempt}, for </span>
                <Since us={details.processing.sinceUs} />
                <p class="note">by {details.processing.owner}</p>
              </li>
            )}
          </ol>
        </section>
      )}
    </>
  );
}

function Attempt({ attempt }: { attempt: Details['attempts'][number] }) {
  const { claimedAtUs, startedAtUs, firstByteAtUs, finishedAtUs } = attempt;
  const wholeUs = Math.max(1, finishedAtUs - claimedAtUs);
  const startUs = startedAtUs ?? claimedAtUs;
  const firstUs = firstByteAtUs ?? finishedAtUs;
  const part = (us: number) => `${Math.max(0, Math.min(100, (us / wholeUs) * 100))}%`;
  const tokens = [attempt.inputTokens, attempt.outputTokens].filter((value) => value !== undefined);
  return (
    <li>
      <Badge word={attempt.outcome} />
      <span>
        attempt {attempt.attempt}
        {attempt.engine !== undefined && `, ${attempt.engine}`}
      </span>
      <Took ms={wholeUs / 1000} />
      <span class="track" aria-hidden="true">
        <i class="queued" style={{ width: part(startUs - claimedAtUs) }} />
        <i class="thinking" style={{ width: part(firstUs - startUs) }} />
        <i class="writing" style={{ width: part(finishedAtUs - firstUs) }} />
      </span>
      <p class="note">
        claimed <At us={claimedAtUs} />, waited <Took ms={(startUs - claimedAtUs) / 1000} />
        {firstByteAtUs !== undefined && (
          <>
            , first sign after <Took ms={(firstByteAtUs - startUs) / 1000} />
          </>
        )}
        {tokens.length === 2 && `, ${tokens.join(' → ')} tokens`}
      </p>
      {attempt.errorCode !== undefined && (
        <p class="is-error">
          {attempt.errorCode}
          {attempt.errorMessage !== undefined && `: ${attempt.errorMessage}`}
        </p>
      )}
    </li>
  );
}

function Facts({ details }: { details: Details }) {
  const { conversationId, conversation, seenAtUs, finishedAtUs, ageMs, waits, asked } = details;
  return (
    <dl class="facts wide">
      <div>
        <dt>conversation</dt>
        <dd>
          <span class="mono">{conversationId}</span>
          {conversation !== 'open' && ` (${conversation})`}
        </dd>
      </div>
      {waits !== undefined && (
        <div>
          <dt>waits</dt>
          <dd>
            <Waiting waits={waits} />
          </dd>
        </div>
      )}
      {seenAtUs !== undefined && (
        <div>
          <dt>seen</dt>
          <dd>
            <At us={seenAtUs} />
          </dd>
        </div>
      )}
      {finishedAtUs === undefined ? (
        seenAtUs !== undefined && (
          <div>
            <dt>age</dt>
            <dd>
              <Since us={seenAtUs} />
            </dd>
          </div>
        )
      ) : (
        <div>
          <dt>took</dt>
          <dd>
            <Took ms={ageMs} />
          </dd>
        </div>
      )}
      {asked?.contextFile !== undefined && (
        <div>
          <dt>context</dt>
          <dd class="mono">{asked.contextFile}</dd>
        </div>
      )}
      {asked?.model !== undefined && (
        <div>
          <dt>model</dt>
          <dd>{asked.model}</dd>
        </div>
      )}
    </dl>
  );
}

function Waiting({ waits }: { waits: Waits }) {
  switch (waits.for) {
    case 'turn':
      return <>behind question {waits.behindId} of its conversation</>;
    case 'parents':
      return <>for {waits.ids.map((id) => `question ${id}`).join(', ')}</>;
    case 'delay':
      return (
        <>
          until <At us={waits.untilUs} />
          {waits.error !== undefined && `, after ${waits.error}`}
        </>
      );
    case 'engine':
      return (
        <>
          {waits.engine === '' ? 'the default engine' : `engine ${waits.engine}`} takes no work:{' '}
          {waits.code}, {waits.message}
        </>
      );
    case 'worker':
      return <>for a free worker</>;
    default:
      return waits satisfies never;
  }
}

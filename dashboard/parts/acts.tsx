/** The buttons that change something about a question. */
import type { Acted } from '../../src/http/dashboard/wire.js';
import { call } from '../api.js';
import { messageOf, usePage } from '../context.js';
import { Careful } from './bits.js';

const UNFINISHED = new Set(['pending', 'processing', 'expired', 'unseen', 'delayed', 'waiting']);
const ENDED_BADLY = new Set(['failed', 'timeout', 'cancelled', 'dead']);

type Verb = 'cancel' | 'retry';

function told(verb: Verb, id: number, { outcome, againId, why }: Acted): string {
  if (outcome === 'cancelled') return `Question ${id} is cancelled.`;
  if (outcome === 'redriven') return `Question ${id} is asked again, as question ${againId}.`;
  if (outcome === 'ready') return `Question ${id} is tried now.`;
  if (outcome === 'processing') return `Question ${id} is being answered already.`;
  if (why !== undefined) return `Question ${id}: ${why}.`;
  return verb === 'cancel' ? `Question ${id} has ended already.` : `Question ${id}: ${outcome}.`;
}

export function useAct(): (verb: Verb, id: number) => void {
  const { say, live } = usePage();
  return (verb, id) => {
    call<Acted>(`/v1/dashboard/questions/${id}/${verb}`, { act: true }).then(
      (acted) => {
        say(told(verb, id, acted));
        live.look();
      },
      (error: unknown) => say(messageOf(error), true),
    );
  };
}

/** @param redriven it is asked again already */
export function Acts(props: { id: number; status: string; redriven?: boolean }) {
  const act = useAct();
  const { id, status, redriven = false } = props;
  const mayRetry =
    (ENDED_BADLY.has(status) && !redriven) || status === 'pending' || status === 'delayed';
  return (
    <span class="acts">
      {mayRetry && (
        <button
          type="button"
          class="button"
          aria-label={`Retry: question ${id}`}
          onClick={() => act('retry', id)}
        >
          Retry
        </button>
      )}
      {UNFINISHED.has(status) && (
        <Careful
          label="Cancel"
          ask="Really cancel?"
          about={`question ${id}`}
          act={() => act('cancel', id)}
        />
      )}
    </span>
  );
}

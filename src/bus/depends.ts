/**
 * Whether a question that depends on others may be asked now. Pure: what is known of the others comes
 * in, a verdict goes out.
 *
 * A question may only name questions with a lower id, asked before it. Within a conversation the
 * order of ids is the order of answers, so whatever waits, waits for something with a lower id:
 * questions that wait for each other in a circle cannot arise, and need not be looked for.
 */
import type { ParsedQuestion } from './question.js';

/** What has become of a question that another one depends on. */
export type ParentState =
  | { readonly at: 'answered' }
  /** `id`: the question that is to be waited for, which may ask the named one again. */
  | { readonly at: 'unfinished'; readonly id: number }
  /** It ended without an answer, or no answer can come: `why` completes "which …". */
  | { readonly at: 'failed'; readonly why: string }
  /** There is no such question for our side. */
  | { readonly at: 'unknown' };

export interface ParentLookup {
  /** Ids of the latest earlier questions with these query ids; names that are not found are left out. */
  idsOf(names: readonly string[]): ReadonlyMap<string, number>;
  stateOf(id: number): ParentState;
}

export type Verdict =
  | { readonly step: 'ask' }
  | { readonly step: 'wait'; readonly parents: readonly number[] }
  /** It gets this error answer. */
  | { readonly step: 'refuse'; readonly question: ParsedQuestion };

const ASK: Verdict = { step: 'ask' };

/**
 * A cheap look at a row before it is parsed: nearly no question depends on another. JSON may spell
 * any letter of a key as an escape.
 */
export function mayDepend(message: unknown): boolean {
  return typeof message === 'string' && /"depends_on"|\\u00[5-7]/.test(message);
}

export function judge(id: number, question: ParsedQuestion, lookup: ParentLookup): Verdict {
  if (question.kind !== 'question' || question.dependsOn.length === 0) return ASK;
  const names = question.dependsOn.filter((name) => typeof name === 'string');
  const ids = names.length === 0 ? new Map<string, number>() : lookup.idsOf(names);
  const unfinished: number[] = [];
  for (const name of question.dependsOn) {
    const parent = typeof name === 'string' ? ids.get(name) : name;
    const called = JSON.stringify(name);
    if (parent !== undefined && parent >= id) return refuse(question, notBefore(called));
    const state = parent === undefined ? UNKNOWN : lookup.stateOf(parent);
    if (state.at === 'unknown') return refuse(question, notFound(called));
    if (state.at === 'failed') {
      const message = `this question depends on ${called}, which ${state.why}; ask that one again, then this one`;
      return refuse(question, message, 'parent_failed');
    }
    if (state.at === 'unfinished') unfinished.push(state.id);
  }
  return unfinished.length === 0 ? ASK : { step: 'wait', parents: unfinished };
}

const UNKNOWN: ParentState = { at: 'unknown' };

function notBefore(called: string): string {
  return `field "depends_on": ${called} was not asked before this question, which would wait for ever; name questions that were asked earlier`;
}

function notFound(called: string): string {
  return `field "depends_on": there is no earlier question ${called} on this bus; name it by its message id`;
}

function refuse(question: ParsedQuestion, message: string, code?: 'parent_failed'): Verdict {
  const queryId = question.kind === 'question' ? question.queryId : undefined;
  return {
    step: 'refuse',
    question: { kind: 'invalid', queryId, message, ...(code && { code }) },
  };
}

/** How the end of a question without an answer is told to those that depend on it. */
export function whyFailed(outcome: string, errorCode: string | null | undefined): string {
  switch (outcome) {
    case 'dead':
      return `was given up (${errorCode ?? 'no reason kept'})`;
    case 'failed':
      return `got an error answer (${errorCode ?? 'no reason kept'})`;
    case 'ignored':
      return 'was taken off the queue';
    default:
      return 'was deleted';
  }
}

export const IN_EXPIRED_CONVERSATION = 'stands in a conversation that has expired';

/** Looks on at the turns of tasks in the bridge of this process. */
import type { Bridge, QueryReply } from '../../bridge/index.js';
import type { DoorTask } from '../../bus/index.js';
import type { TurnFacts } from './view.js';

const PARTIAL_CHARS = 200;

interface Followed {
  readonly requestId: string;
  facts: TurnFacts;
  readonly stop: () => void;
}

export class Turns {
  readonly #bridge: Bridge;
  readonly #byTask = new Map<string, Followed>();

  constructor(bridge: Bridge) {
    this.#bridge = bridge;
  }

  /** What is known of the turn of a running task, which is followed from now on. */
  factsOf({ taskId, state, requestId }: DoorTask): TurnFacts | undefined {
    if (state !== 'running' || requestId === undefined) return undefined;
    const known = this.#byTask.get(taskId);
    if (known?.requestId === requestId) return known.facts;
    this.forget(taskId);
    return this.#follow(taskId, requestId)?.facts;
  }

  forget(taskId: string): void {
    this.#byTask.get(taskId)?.stop();
    this.#byTask.delete(taskId);
  }

  /** The reply as the bridge had it, whole, as long as it remembers it. */
  reply(requestId: string): Promise<QueryReply | undefined> {
    return new Promise((resolve) => {
      let isStored = true;
      const stop = this.#bridge.follow(requestId, {
        // Something that runs is no stored reply: it says so before this turn of the loop is over.
        done: (outcome) => resolve(isStored && outcome.ok ? outcome.reply : undefined),
      });
      setImmediate(() => {
        isStored = false;
        stop?.();
        resolve(undefined);
      });
    });
  }

  close(): void {
    for (const taskId of [...this.#byTask.keys()]) this.forget(taskId);
  }

  #follow(taskId: string, requestId: string): Followed | undefined {
    let facts: TurnFacts = { stage: 'starting', message: undefined, text: '', toolCalls: 0 };
    const followed = { requestId, facts, stop: () => {} };
    const know = (more: Partial<TurnFacts>) => {
      facts = { ...facts, ...more };
      followed.facts = facts;
    };
    const stop = this.#bridge.follow(requestId, {
      accepted: (position) => know({ stage: 'queued', message: `Waiting at place ${position}` }),
      started: () => know({ stage: 'running', message: undefined }),
      progress: ({ stage, message }) => {
        const toolCalls = facts.toolCalls + (stage === 'tool_execution' ? 1 : 0);
        know({ stage, message, toolCalls });
      },
      delta: (text) => {
        if (facts.text.length >= PARTIAL_CHARS) return;
        const begun = (facts.text + text).slice(0, PARTIAL_CHARS).toWellFormed();
        know({ stage: 'generating_response', message: undefined, text: begun });
      },
      done: () => {
        if (this.#byTask.get(taskId) === followed) this.#byTask.delete(taskId);
      },
    });
    if (stop === undefined) return undefined;
    followed.stop = stop;
    this.#byTask.set(taskId, followed);
    return followed;
  }
}

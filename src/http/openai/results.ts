/** The result of a task as a completion, from what the bridge remembers or from the bus. */
import type { Bridge } from '../../bridge/index.js';
import type { DoorTask } from '../../bus/index.js';
import type { TaskBoard } from '../tasks/board.js';
import { answerRow, statusOf } from '../tasks/view.js';
import { type Answered, completion, usageOf } from './completion.js';
import { asJsonObject } from './json-answer.js';
import type { ChatCompletion } from './schema.js';

/** What is kept with a task, to tell its result by. */
export interface TaskOptions {
  readonly wantsJson: boolean;
  /** The model that was asked for. */
  readonly model: string | null;
}

export class TaskResults {
  readonly #bridge: Bridge;
  readonly #board: () => TaskBoard;

  constructor(bridge: Bridge, board: () => TaskBoard) {
    this.#bridge = bridge;
    this.#board = board;
  }

  /** Undefined unless the task is completed. */
  async of(task: DoorTask): Promise<ChatCompletion | undefined> {
    if (statusOf(task) !== 'completed') return undefined;
    const answered = await this.#answered(task);
    const { wantsJson } = task.options as unknown as TaskOptions;
    const answer = wantsJson ? asJsonObject(answered.answer) : answered.answer;
    return completion(
      { ...answered, answer },
      {
        id: `chatcmpl-${task.taskId}`,
        created: Math.floor(task.createdAtUs / 1e6),
        taskId: task.taskId,
      },
    );
  }

  /** The model that answers, or that was asked for while none does. */
  modelOf(task: DoorTask): string {
    const { model } = task.options as unknown as TaskOptions;
    return model ?? this.#bridge.models()[0]?.model ?? '';
  }

  /** The bridge knows more of it, and the answer in full length. */
  async #answered(task: DoorTask): Promise<Answered> {
    const reply = await this.#board().replyOf(task);
    if (reply !== undefined) return { ...reply, usage: usageOf(reply.usage) };
    const { answer, sources, llm_type = '' } = answerRow(task.answer ?? '');
    const engine = task.engine ?? llm_type;
    return {
      answer,
      sources,
      engine,
      model: this.#bridge.claims(engine)?.model ?? engine,
      usage: usageInRow(task),
      stopReason: undefined,
    };
  }
}

function usageInRow({ inputTokens, outputTokens }: DoorTask) {
  if (inputTokens === undefined || outputTokens === undefined) return undefined;
  return usageOf({ input_tokens: inputTokens, output_tokens: outputTokens });
}

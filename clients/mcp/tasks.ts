/**
 * Tasks of the protocol, kept on the bus: a task is a question there, so it survives every restart
 * and any process of ours can tell of it. (The protocol calls tasks experimental:
 * https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/tasks.)
 *
 * The id of a task is the id of its question and a seal, which only the holder of the asker's token
 * could be given: whoever has it may see the task. It ends to be valid with the conversation.
 */
import type { TaskStore } from '@modelcontextprotocol/sdk/experimental/tasks/interfaces.js';
import type { CallToolResult, Task } from '@modelcontextprotocol/sdk/types.js';
import {
  cancelQuestion,
  isSameSecret,
  type QuestionDetails,
  questionDetails,
  sealedQuestion,
} from '../../src/bus/index.js';
import { systemClock } from '../../src/clock.js';
import type { Backend } from './backend.js';
import { ToolError } from './failure.js';
import { answerReply, isFinished, wordOf } from './question-reply.js';
import { toResult } from './result.js';

/** How often a client may look, in milliseconds. */
const POLL_MS = 500;

/** @throws ToolError `not_found` when its row or its conversation is gone */
export function needTask(backend: Backend, messageId: number): Task {
  const task = taskOf(backend, messageId);
  if (task !== undefined) return task;
  throw new ToolError('not_found', `message ${messageId} is not on the bus any more`);
}

export class QuestionTasks implements TaskStore {
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async getTask(taskId: string): Promise<Task | null> {
    const messageId = this.#open(taskId);
    return (messageId !== undefined && taskOf(this.#backend, messageId)) || null;
  }

  async getTaskResult(taskId: string): Promise<CallToolResult> {
    return toResult(answerReply(this.#need(taskId)));
  }

  /** The protocol changes a task in one way only: it cancels it. */
  async updateTaskStatus(taskId: string): Promise<void> {
    const { messageId } = this.#need(taskId);
    const outcome = await cancelQuestion(this.#backend.bus, messageId);
    if (outcome !== 'cancelled') throw new Error('the question was finished before');
  }

  /** A list would tell the ids, and so the tasks, of others. */
  async listTasks(): Promise<{ tasks: Task[] }> {
    return { tasks: [] };
  }

  /** Tasks are begun by putting a question on the bus. */
  createTask(): Promise<Task> {
    return Promise.reject(new Error('a task is begun by the tool'));
  }

  /** The answer comes from whoever works on the question. */
  storeTaskResult(): Promise<void> {
    return Promise.reject(new Error('a task is ended by its answer'));
  }

  #need(taskId: string): QuestionDetails {
    const messageId = this.#open(taskId);
    const details = messageId && questionDetails(this.#backend.bus, messageId);
    if (!details) throw new Error('there is no such task');
    return details;
  }

  /** The question that an id names, when the seal on it is right. */
  #open(taskId: string): number | undefined {
    const [, id = '', seal = ''] = /^question-([1-9]\d{0,14})-([0-9a-f]{32})$/.exec(taskId) ?? [];
    if (id === '') return undefined;
    const sealed = sealedQuestion(this.#backend.bus, Number(id), systemClock.wallUs());
    return sealed && isSameSecret(seal, sealed.seal) ? Number(id) : undefined;
  }
}

function taskOf({ bus }: Backend, messageId: number): Task | undefined {
  const details = questionDetails(bus, messageId);
  const sealed = sealedQuestion(bus, messageId, systemClock.wallUs());
  if (details === undefined || sealed === undefined) return undefined;
  const createdAt = `${sealed.askedAt}Z`;
  const changedUs = details.finishedAtUs ?? details.processing?.sinceUs ?? details.seenAtUs;
  return {
    taskId: `question-${messageId}-${sealed.seal}`,
    status: taskStatus(details),
    statusMessage: `message ${messageId}: ${wordOf(details)}`,
    createdAt,
    lastUpdatedAt: changedUs === undefined ? createdAt : isoOf(changedUs),
    ttl: sealed.lifetimeMs,
    pollInterval: POLL_MS,
  };
}

function taskStatus(details: QuestionDetails): Task['status'] {
  const word = wordOf(details);
  if (!isFinished(word)) return 'working';
  if (word === 'complete') return 'completed';
  return word === 'cancelled' ? 'cancelled' : 'failed';
}

function isoOf(us: number): string {
  return new Date(us / 1000).toISOString();
}

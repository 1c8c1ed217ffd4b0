/** Tasks as `/v1/polling` shows them. The keys are fixed: other programs compare them. Pure. */
import { z } from 'zod';
import type { DoorTask } from '../../bus/index.js';
import { ChatCompletion } from '../openai/schema.js';

const Status = z.enum(['pending', 'running', 'completed', 'failed', 'timeout', 'cancelled']);
export type TaskStatus = z.infer<typeof Status>;

export const Progress = z.object({
  stage: z.enum(['queued', 'starting', 'running', 'tool_execution', 'generating_response']),
  message: z.string(),
  partial_response: z.string().optional().describe('the first 200 characters'),
  tool_calls: z.int().optional(),
});
export type Progress = z.infer<typeof Progress>;

const Seconds = z.number().describe('seconds since the epoch');

export const TaskView = z.object({
  task_id: z.string(),
  status: Status,
  created_at: Seconds,
  started_at: Seconds.nullable(),
  completed_at: Seconds.nullable(),
  progress: Progress,
  result: ChatCompletion.optional().describe('only when completed'),
  error: z.string().optional().describe('only when failed or timed out'),
});
export type TaskView = z.infer<typeof TaskView>;

export const ActiveTasks = z.object({
  active_tasks: z.array(
    z.object({
      task_id: z.string(),
      status: Status,
      model: z.string(),
      created_at: Seconds,
      started_at: Seconds.nullable(),
      progress: Progress,
    }),
  ),
  count: z.int(),
});
export type ActiveTask = z.infer<typeof ActiveTasks>['active_tasks'][number];

export function statusOf({
  state,
  outcome,
  errorCode,
}: Pick<DoorTask, 'state' | 'outcome' | 'errorCode'>): TaskStatus {
  if (state !== 'finished') return state;
  if (outcome === 'complete') return 'completed';
  // Taken off the queue by a person.
  if (outcome === 'ignored' || errorCode === 'cancelled') return 'cancelled';
  return errorCode === 'timeout' ? 'timeout' : 'failed';
}

/** What is known of a turn that runs here. */
export interface TurnFacts {
  readonly stage: Progress['stage'];
  readonly message: string | undefined;
  /** The beginning of the answer, as far as it has come. */
  readonly text: string;
  readonly toolCalls: number;
}

const SAID: Record<Progress['stage'], string> = {
  queued: 'Waiting for a session',
  starting: 'Starting',
  running: 'At work',
  tool_execution: 'Using a tool',
  generating_response: 'Writing the answer',
};

const ENDED: Record<TaskStatus, string> = {
  pending: 'Waiting to be taken up',
  running: 'Taken up',
  completed: 'Completed',
  failed: 'Failed',
  timeout: 'Timed out',
  cancelled: 'Cancelled',
};

export function progressOf(task: DoorTask, turn: TurnFacts | undefined): Progress {
  const status = statusOf(task);
  if (status !== 'running') {
    const isCompleted = status === 'completed';
    const reached = task.startedAtUs === undefined ? 'queued' : 'running';
    return { stage: isCompleted ? 'generating_response' : reached, message: ENDED[status] };
  }
  if (turn === undefined) return { stage: 'starting', message: ENDED.running };
  const { stage, message = SAID[stage], text, toolCalls } = turn;
  return {
    stage,
    message,
    ...(text !== '' && { partial_response: text }),
    ...(toolCalls > 0 && { tool_calls: toolCalls }),
  };
}

export function taskView(
  task: DoorTask,
  turn: TurnFacts | undefined,
  result: ChatCompletion | undefined,
): TaskView {
  const status = statusOf(task);
  return {
    task_id: task.taskId,
    status,
    created_at: task.createdAtUs / 1e6,
    started_at: seconds(task.startedAtUs),
    completed_at: seconds(task.completedAtUs),
    progress: progressOf(task, turn),
    ...(result !== undefined && { result }),
    ...((status === 'failed' || status === 'timeout') && { error: errorText(task) }),
  };
}

export function activeTask(task: DoorTask, turn: TurnFacts | undefined, model: string): ActiveTask {
  return {
    task_id: task.taskId,
    status: statusOf(task),
    model,
    created_at: task.createdAtUs / 1e6,
    started_at: seconds(task.startedAtUs),
    progress: progressOf(task, turn),
  };
}

function seconds(us: number | undefined): number | null {
  return us === undefined ? null : us / 1e6;
}

/** What went wrong, as the error answer on the bus says it. */
export function errorText({ answer, outcome }: DoorTask): string {
  if (answer === undefined) {
    return outcome === 'gone' || outcome === 'orphaned'
      ? 'the question was deleted from the bus'
      : 'there is no answer';
  }
  const { error, answer: text } = answerRow(answer);
  return error?.message ?? text;
}

const AnswerRow = z.object({
  answer: z.string(),
  sources: z.array(z.string()).catch([]),
  llm_type: z.string().optional().catch(undefined),
  error: z.object({ message: z.string() }).optional().catch(undefined),
});

/** An answer as it stands on the bus; when another program has changed the row, its bare text. */
export function answerRow(message: string): z.infer<typeof AnswerRow> {
  try {
    const row = AnswerRow.safeParse(JSON.parse(message));
    if (row.success) return row.data;
  } catch {
    // Cut off or redacted until it is no JSON any more.
  }
  return { answer: message, sources: [] };
}

/** `/v1/polling`: what became of a task, which ones there are, and ending one. */
import { z } from 'zod';
import { HttpFailure } from '../errors.js';
import type { TaskResults } from '../openai/results.js';
import { Detail, ErrorReply, type Route, route } from '../route.js';
import type { TaskBoard } from './board.js';
import { ActiveTasks, activeTask, TaskView, taskView } from './view.js';

/** As the door gives them out; nothing else is looked up, or repeated to whoever asks. */
export const TASK_ID = /^task_[0-9a-f]{24}$/;

export const NO_BUS =
  'there are no tasks without a bus: start the server with --db FILE, or warmline up --db FILE';

export function pollingRoutes(board: () => TaskBoard, results: TaskResults): Route[] {
  return [
    route({
      method: 'GET',
      path: '/v1/polling/status/:id',
      summary: 'What became of a task',
      replies: { 200: TaskView, 404: Detail, 503: ErrorReply },
      serve: async ({ params }) => {
        const id = params.id ?? '';
        const task = TASK_ID.test(id) ? await board().read(id) : undefined;
        if (task === undefined) throw missingTask(id);
        return taskView(task, board().turnOf(task), await results.of(task));
      },
    }),
    route({
      method: 'POST',
      path: '/v1/polling/cancel/:id',
      summary: 'Ends a task and stops its turn',
      replies: { 200: z.object({ message: z.string() }), 404: Detail, 503: ErrorReply },
      serve: async ({ params }) => {
        const id = params.id ?? '';
        const isEnded = TASK_ID.test(id) && (await board().cancel(id));
        if (!isEnded) throw missing(`Task ${id} not found or already completed`);
        return { message: `Task ${id} cancelled` };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/polling/active',
      summary: 'The unfinished tasks, oldest first',
      replies: { 200: ActiveTasks, 503: ErrorReply },
      serve: async () => {
        const tasks = await board().active();
        const active = tasks.map((task) =>
          activeTask(task, board().turnOf(task), results.modelOf(task)),
        );
        return { active_tasks: active, count: active.length };
      },
    }),
  ];
}

export function missingTask(id: string): HttpFailure {
  return missing(`Task ${id} not found`);
}

function missing(detail: string): HttpFailure {
  return new HttpFailure(404, { detail });
}

/** Events as a stream: `/v1/events` for everything on the bus, `/v1/polling/stream` for one task. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { failure } from '../errors.js';
import { Detail, ErrorReply, type Route, route } from '../route.js';
import { EventStream } from '../sse.js';
import type { TaskBoard } from '../tasks/board.js';
import { missingTask, TASK_ID } from '../tasks/routes.js';
import { frame, frames, HELLO, RESET } from './events.js';
import type { Push } from './push.js';
import { socketRoute } from './socket.js';
import { type Outlet, Subscription, type Wanted } from './subscription.js';

const Query = z.looseObject({
  last_event_id: z.string().optional().describe('for those who cannot send Last-Event-ID'),
});
const HEADERS = { 'Last-Event-ID': 'the id of the last event that was read; the next ones follow' };
const Stream = z.string().meta({
  contentType: 'text/event-stream',
  description:
    'events `status` (ChangeEvent) and `reset` (ResetEvent), numbered; of one task also `progress` (ProgressEvent)',
});

export function pushRoutes(push: () => Push, board: () => TaskBoard): Route[] {
  return [
    socketRoute(push),
    route({
      method: 'GET',
      path: '/v1/events',
      summary: 'Every change of every question, as server-sent events',
      query: Query,
      headers: HEADERS,
      replies: { 200: Stream, 400: ErrorReply, 429: ErrorReply, 503: ErrorReply },
      serve: async ({ query, request, reply }) => {
        const after = lastEventId(request, query);
        return await stream(push(), reply, { tasks: undefined, after });
      },
    }),
    route({
      method: 'GET',
      path: '/v1/polling/stream/:id',
      summary: 'The changes and the progress of one task, as server-sent events',
      query: Query,
      headers: HEADERS,
      replies: {
        200: Stream,
        204: z.undefined().describe('its end was told before'),
        ...{ 400: ErrorReply, 404: Detail, 429: ErrorReply, 503: ErrorReply },
      },
      serve: async ({ params, query, request, reply }) => {
        const after = lastEventId(request, query);
        const id = params.id ?? '';
        const task = TASK_ID.test(id) ? await board().read(id) : undefined;
        if (task === undefined) throw missingTask(id);
        return await stream(push(), reply, { tasks: new Map([[task.questionId, id]]), after });
      },
    }),
  ];
}

async function stream(
  { feed, progress, readers, stallMs }: Push,
  reply: FastifyReply,
  wanted: Wanted,
) {
  if (reply.request.method === 'HEAD') {
    reply.type('text/event-stream; charset=utf-8').send('');
    return undefined;
  }
  const leave = readers.enter();
  try {
    // While it can still be refused with a status of its own.
    await feed.open();
  } catch (error) {
    leave();
    throw error;
  }
  const stop = () => {
    subscription.end();
    leave();
  };
  const events = new EventStream(reply, stop, () => subscription.wake(), stallMs);
  const outlet: Outlet = {
    get isReady() {
      return events.isReady;
    },
    events: (told) => events.write(frames(told)),
    progress: (told) => events.write(frame('progress', told)),
    reset: (seq) => events.write(frame('reset', { seq, message: RESET }, seq)),
    // Of a task that ended in an earlier life there is nothing to tell, and no stream to begin.
    caughtUp: () => events.begun || events.write(HELLO),
    close: () => {
      leave();
      events.end();
    },
  };
  const subscription = new Subscription(feed, progress, outlet, wanted);
  if (reply.raw.destroyed) {
    stop();
    return undefined;
  }
  if (wanted.tasks === undefined) events.write(HELLO);
  await subscription.begin().catch(() => outlet.close(false));
  return undefined;
}

/** The number of the last event a reader had: `EventSource` sends a header, some stand-ins for it a query. */
function lastEventId(
  { headers }: FastifyRequest,
  { last_event_id: inQuery }: z.infer<typeof Query>,
): number | undefined {
  const text = String(headers['last-event-id'] ?? inQuery ?? '');
  if (text === '') return undefined;
  const id = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(id)) return id;
  throw failure(400, 'bad_request', 'Last-Event-ID is the id of an event', 'last_event_id');
}

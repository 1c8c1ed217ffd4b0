/** `/` and `/v1/dashboard`: the page, what it shows, and what its buttons do. */
import type { z } from 'zod';
import type { Bridge } from '../../bridge/index.js';
import {
  cancelQuestion,
  listDeadLetters,
  listQuestions,
  questionDetails,
  retryQuestion,
  type SqliteBus,
  seriesOf,
} from '../../bus/index.js';
import type { Clock } from '../../clock.js';
import { failure } from '../errors.js';
import { ErrorReply, type Route, route } from '../route.js';
import { assetRoutes } from './assets.js';
import { detailsView } from './question.js';
import { Shared } from './shared.js';
import { type BusAccess, snapshot } from './snapshot.js';
import { TimeoutAdvice, type TimeoutSettings } from './timeouts.js';
import {
  Acted,
  Changed,
  DeadPage,
  DeadQuery,
  Details,
  ListQuery,
  QuestionPage,
  SeriesQuery,
  SeriesReply,
  State,
  TimeoutChanges,
  Timeouts,
  WINDOWS,
} from './wire.js';

export interface DashboardParts {
  readonly bridge: Bridge;
  readonly clock: Clock;
  readonly bus: BusAccess | undefined;
  /** The same, and a failure that says so when there is none. @throws HttpFailure, BusError */
  readonly requireBus: () => Promise<SqliteBus>;
  readonly timeouts: TimeoutSettings;
  readonly stopping: AbortSignal;
}

/** Pages share a look that is no older than this, in milliseconds. */
const STATE_MS = 200;
const SERIES_MS = 2_000;
/** Steps of a chart. */
const STEPS = 60;

export function dashboardRoutes(parts: DashboardParts): Route[] {
  const { clock, requireBus, timeouts, stopping } = parts;
  const state = new Shared(STATE_MS, clock, () => snapshot(parts));
  const series = new Map(
    WINDOWS.map((minutes) => [
      minutes,
      new Shared(SERIES_MS, clock, async () =>
        seriesOf(await requireBus(), Number(minutes) * 60_000, STEPS, clock.wallUs()),
      ),
    ]),
  );
  const advice = new TimeoutAdvice(timeouts, clock, stopping);
  return [
    ...assetRoutes(),
    look('state', 'What goes on now', State, () => state.get()),
    route({
      method: 'GET',
      path: '/v1/dashboard/series',
      summary: 'How questions ended over time',
      query: SeriesQuery,
      replies: { 200: SeriesReply, 503: ErrorReply },
      serve: async ({ query: { minutes } }) => await series.get(minutes)?.get(),
    }),
    route({
      method: 'GET',
      path: '/v1/dashboard/questions',
      summary: 'Questions, newest first, a page at a time',
      query: ListQuery,
      replies: { 200: QuestionPage, 503: ErrorReply },
      serve: async ({ query: { status, conversation, before, limit } }) => {
        const filter = { statuses: status, conversation, beforeId: before, limit };
        const page = listQuestions(await requireBus(), filter, clock);
        return { takenAtUs: clock.wallUs(), ...page };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/dashboard/failures',
      summary: 'Questions that ended without an answer, newest first, a page at a time',
      query: DeadQuery,
      replies: { 200: DeadPage, 503: ErrorReply },
      serve: async ({ query: { before: beforeId, limit } }) => {
        const page = listDeadLetters(
          await requireBus(),
          { includeFailed: true },
          { limit, beforeId },
        );
        return { takenAtUs: clock.wallUs(), ...page };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/dashboard/questions/:id',
      summary: 'All that is known of a question',
      replies: { 200: Details, 404: ErrorReply, 503: ErrorReply },
      serve: async ({ params }) => {
        const details = questionDetails(await requireBus(), idIn(params), clock);
        if (details === undefined) throw noQuestion(params);
        return detailsView(details, clock.wallUs());
      },
    }),
    act('cancel', 'Ends a question and the turn at work on it', async (bus, id) => ({
      outcome: await cancelQuestion(bus, id),
    })),
    act('retry', 'Lets a question be tried now, or asks it anew', (bus, id) =>
      retryQuestion(bus, id, clock),
    ),
    look('timeouts', 'Time-outs, and what the last days say of them', Timeouts, async () =>
      advice.list(await requireBus()),
    ),
    route({
      method: 'POST',
      path: '/v1/dashboard/timeouts',
      summary: 'Sets time-outs, or takes them away',
      body: TimeoutChanges,
      replies: { 200: Changed, 503: ErrorReply },
      serve: async ({ body: { changes } }) => ({
        changed: await advice.change(await requireBus(), changes),
      }),
    }),
  ];

  function look(
    name: string,
    summary: string,
    reply: z.ZodType,
    serve: () => Promise<object>,
  ): Route {
    return route({
      method: 'GET',
      path: `/v1/dashboard/${name}`,
      summary,
      replies: { 200: reply, 503: ErrorReply },
      serve,
    });
  }

  function act(
    verb: string,
    summary: string,
    run: (bus: SqliteBus, id: number) => Promise<{ readonly outcome: string }>,
  ): Route {
    return route({
      method: 'POST',
      path: `/v1/dashboard/questions/:id/${verb}`,
      summary,
      replies: { 200: Acted, 404: ErrorReply, 503: ErrorReply },
      serve: async ({ params }) => {
        const done = await run(await requireBus(), idIn(params));
        if (done.outcome === 'missing') throw noQuestion(params);
        return done;
      },
    });
  }
}

type Params = Readonly<Record<string, string>>;

/** @throws HttpFailure */
function idIn(params: Params): number {
  if (/^[1-9]\d{0,15}$/.test(params.id ?? '')) return Number(params.id);
  throw noQuestion(params);
}

function noQuestion({ id = '' }: Params) {
  const which = /^\d{1,16}$/.test(id) ? `question ${id}` : 'such question';
  return failure(404, 'not_found', `there is no ${which} on this bus`);
}

/** Whether the door lives, whether it is ready, and how it is. */
import { z } from 'zod';
import type { Bridge } from '../bridge/index.js';
import { VERSION } from '../version.js';
import { type Route, route } from './route.js';
import type { TaskBoard } from './tasks/board.js';

const Health = z.looseObject({
  status: z.enum(['healthy', 'degraded', 'unhealthy']),
  polling_support: z.boolean().describe('whether there is a bus that can be used'),
  active_tasks: z.int(),
  database_path: z.string().describe('the bus; empty without one'),
});

const Live = z.object({ live: z.literal(true), pid: z.int().describe('of the bridge') });
const Ready = z.object({ ready: z.boolean() });

const STATUS = { ok: 'healthy', degraded: 'degraded', down: 'unhealthy' } as const;

export function healthRoutes(
  bridge: Bridge,
  board: TaskBoard | undefined,
  isDraining: () => boolean,
): Route[] {
  return [
    route({
      method: 'GET',
      path: '/healthz',
      summary: 'Whether the process answers at all',
      replies: { 200: Live },
      isOpen: true,
      serve: async () => ({ live: true, pid: process.pid }),
    }),
    route({
      method: 'GET',
      path: '/readyz',
      summary: 'Whether questions can be asked now',
      replies: { 200: Ready, 503: Ready },
      isOpen: true,
      serve: async ({ reply }) => {
        const ready = bridge.health().ready && !isDraining();
        if (!ready) reply.code(503);
        return { ready };
      },
    }),
    route({
      method: 'GET',
      path: '/health',
      summary: 'How the server and its engines are',
      replies: { 200: Health },
      serve: async () => {
        const { status, ready, engines, queues } = bridge.health();
        const active = await board?.countActive();
        return {
          status: STATUS[status],
          polling_support: active !== undefined,
          active_tasks: active ?? 0,
          database_path: board?.file ?? '',
          version: VERSION,
          ready: ready && !isDraining(),
          engines,
          queues,
        };
      },
    }),
  ];
}

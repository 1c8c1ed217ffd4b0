import { z } from 'zod';
import { type Route, route } from '../route.js';
import type { Metrics } from './metrics.js';

export function metricsRoute(metrics: Metrics): Route {
  return route({
    method: 'GET',
    path: '/metrics',
    summary: 'Figures for Prometheus',
    replies: { 200: z.string().meta({ contentType: 'text/plain' }) },
    serve: async ({ reply }) => {
      reply.type(metrics.contentType).send(await metrics.text());
      return undefined;
    },
  });
}

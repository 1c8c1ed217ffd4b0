import type { Bridge } from '../../bridge/index.js';
import { type Route, route } from '../route.js';
import { ModelList } from './schema.js';

/** `GET /v1/models`: every word that a request may choose an engine by, the default engine first. */
export function modelsRoute(bridge: Bridge, createdSeconds: number): Route {
  return route({
    method: 'GET',
    path: '/v1/models',
    summary: 'The models there are',
    replies: { 200: ModelList },
    serve: async () => {
      const ids = new Map<string, string>();
      for (const { engine, kind, model, aliases } of bridge.models()) {
        for (const id of [model, engine, ...aliases]) if (!ids.has(id)) ids.set(id, kind);
      }
      const data = [...ids].map(([id, owned_by]) => ({
        id,
        object: 'model' as const,
        created: createdSeconds,
        owned_by,
      }));
      return { object: 'list', data };
    },
  });
}

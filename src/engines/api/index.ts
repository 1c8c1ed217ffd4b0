/** What the engines for model APIs share; no room but theirs opens this door. */
export type { Fetch, Fetches } from './connection.js';
export { type ApiEngineOptions, createApiEngine, serviceOf } from './engine.js';
export type { Service } from './failure.js';
export {
  clientSettings,
  type ModelApi,
  type Piece,
  type Prompt,
  stopWord,
  tokens,
} from './model-api.js';

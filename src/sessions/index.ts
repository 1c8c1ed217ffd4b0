export { type BackoffLimits, DEFAULT_BACKOFF, type EngineHealth } from './backoff.js';
export type { Job, Work } from './job.js';
export { DEFAULT_LIMITS, type PoolLimits } from './limits.js';
export { Pool, type PoolDeps } from './pool.js';
export type { Session } from './session.js';

export * from './bus.js';
export { type ParsedQuestion, parseQuestion } from './question.js';
export { isSuspect, redact } from './redact.js';
export { DEFAULT_RETRY, planRetry, type RetryPlan, type RetryPolicy } from './retry.js';
export { hasWalResetFix } from './sqlite/connection.js';
export { openSqliteBus, type SqliteBus, type SqliteBusOptions } from './sqlite/store.js';
export { naiveUtc } from './stamp.js';

export { seenUnfinished } from './admin/unfinished.js';
export { foldWal, LARGE_WAL_BYTES, walBytes } from './admin/wal.js';
export * from './bus.js';
export * from './admin/timeouts.js';
export * from './admin/recommend.js';
export { MemoryBusFile, type MessageRow } from './memory/file.js';
export { createMemoryBus, type MemoryBusOptions } from './memory/store.js';
export { type ParsedQuestion, parseQuestion } from './question.js';
export { isSuspect, redact } from './redact.js';
export { DEFAULT_RETRY, type Failure, planRetry, type RetryPlan, type RetryPolicy } from './retry.js';
export { hasWalResetFix } from './sqlite/connection.js';
export {
  type BusInspection,
  findDamage,
  inspectBus,
  isExpired,
  sqliteVersion,
} from './sqlite/inspect.js';
export { openSqliteBus, type SqliteBus, type SqliteBusOptions } from './sqlite/store.js';
export { naiveUtc } from './stamp.js';

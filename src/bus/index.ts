export {
  type Activity,
  recentActivity,
  WINDOW_MS as ACTIVITY_WINDOW_MS,
} from './admin/activity.js';
export { selectAside } from './admin/aside.js';
export { type Backup, BackupRefused, backUp } from './admin/backup.js';
export { type ChangeFacts, factsOfChanged } from './admin/change-facts.js';
export {
  type ChangeStatus,
  conversationOf,
  endUnreadChanges,
  KEEP_CHANGES_EVERY_MS,
  keepChanges,
  lookAtChanges,
  type Standing,
  type StatusChange,
} from './admin/changes.js';
export { conversationBetween } from './admin/conversation-between.js';
export {
  DAY_US,
  type DailyFigures,
  dayOf,
  daysBetween,
  daysWithout,
  latencySelect,
  listDaily,
  rollUp,
  startOfDayUs,
} from './admin/daily.js';
export {
  type DeadLetter,
  type DeadLetterFilter,
  listDeadLetters,
} from './admin/dead-letters.js';
export { type QuestionDetails, questionDetails, type WaitReason } from './admin/details.js';
export { fillDoorLanes, keepDoorOpen, stickyDoorConversation } from './admin/door-lanes.js';
export { moveOutDoorTasks } from './admin/door-past.js';
export {
  type DoorLimits,
  type DoorTask,
  noteDoorFinished,
  type PutDoorTask,
  prepareDoor,
  putDoorTask,
  readDoorTask,
  unnotedDoorTasks,
} from './admin/door-tasks.js';
export { readHookCursor, saveHookCursor } from './admin/hook-cursors.js';
export {
  LISTED_STATUSES,
  type ListedQuestion,
  type ListedStatus,
  type ListFilter,
  listQuestions,
  statusWord,
} from './admin/listing.js';
export { type BusOverview, overviewOf } from './admin/overview.js';
export {
  lookForMessages,
  type PartnerMessage,
  readMessages,
  takeMessages,
} from './admin/partners/messages.js';
export {
  actAs,
  audit,
  type Credentials,
  type Denied,
  isSameSecret,
  openConversation,
  partnerStatus,
  type Seat,
  sendAs,
  setStatus,
  writerOf,
} from './admin/partners/partners.js';
export { sealedQuestion } from './admin/partners/seals.js';
export { putTask, type Task } from './admin/put-task.js';
export {
  type Bounds,
  type Latency,
  planAdaptive,
  planApply,
  type Recommendation,
  recommend,
  suggestedTimeoutMs,
  verdictOn,
} from './admin/recommend.js';
export {
  type Redriven,
  type RedriveOptions,
  redriveMatching,
  redriveQuestions,
} from './admin/redrive.js';
export { DAILY_DAYS, forgetOld } from './admin/retention.js';
export { retryQuestion } from './admin/retry-question.js';
export { type Series, seriesOf } from './admin/series.js';
export {
  changeTimeouts,
  lastEngine,
  readTimeouts,
  type Timeout,
  type TimeoutChange,
  TimeoutTable,
} from './admin/timeouts.js';
export { seenUnfinished } from './admin/unfinished.js';
export { verifyBus } from './admin/verify/verify.js';
export { VIEW_NAMES } from './admin/views.js';
export { foldWal, LARGE_WAL_BYTES, walBytes } from './admin/wal.js';
export { cancelQuestion, removeQuestion } from './admin/withdraw.js';
export { countWithdrawn, lostLeases } from './admin/withdrawn-leases.js';
export {
  auditRecovery,
  countTakenIn,
  countWaiting,
  forgetWorker,
  isClaimable,
  type Park,
  type Recovery,
  readParks,
  savePark,
  saveWorker,
  type Worker,
} from './admin/workers.js';
export { errorAnswer, MAX_MESSAGE_CHARS } from './answer.js';
export * from './bus.js';
export { MemoryBusFile, type MessageRow } from './memory/file.js';
export { createMemoryBus } from './memory/store.js';
export { composeQuestion, type QuestionText } from './new-question.js';
export { formatOwner, isRunning, type Owner, parseOwner, thisProcess } from './owner.js';
export { type ParsedQuestion, parseQuestion } from './question.js';
export { isSuspect, redact, redactMessage } from './redact.js';
export {
  DEFAULT_RETRY,
  type Failure,
  planRetry,
  type RetryPolicy,
} from './retry.js';
export { requestIdOf, sessionKey } from './session-key.js';
export { hasWalResetFix } from './sqlite/connection.js';
export {
  type BusInspection,
  findDamage,
  inspectBus,
  isExpired,
  isPrepared,
  sqliteVersion,
} from './sqlite/inspect.js';
export { openSqliteBus, type SqliteBus, type SqliteBusOptions } from './sqlite/store.js';
export { naiveUtc } from './stamp.js';

export { type BridgeOptions, createBridge } from './bridge.js';
export type {
  Bridge,
  BridgeHealth,
  FailedTurn,
  ModelReport,
  Query,
  QueryListener,
  QueryOutcome,
  QueryReply,
  Ticket,
} from './contract.js';
export type { ConfiguredEngine } from './desk.js';
export type { QueueReport } from './queues.js';
export type { ReplayLimits } from './request-ids.js';

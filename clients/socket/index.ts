/** The door of the socket client, and of the package: ask a warmline server from TypeScript or JavaScript. */

export type { QueueReport } from '../../src/protocol/index.js';
export type {
  Answer,
  AskOptions,
  Listener,
  Outcome,
  Progress,
  QueryOptions,
  StreamEvent,
  WaitOptions,
} from './answer.js';
export type { ReconnectPolicy } from './backoff.js';
export { BridgeClient, connect, type Pending, type Report } from './client.js';
export {
  BridgeError,
  type BridgeErrorCode,
  type ClientErrorCode,
  ConnectionLost,
  type FailedTurn,
} from './errors.js';
export type { BridgeClientEvents, BridgeClientOptions } from './options.js';
export type { AnswerStream } from './stream.js';

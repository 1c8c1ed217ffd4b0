/** Watching messages on a bus, from a program: `import … from 'warmline/monitor'`. */
export { BusError, type BusErrorCode } from '../../src/bus/index.js';
export { type Answered, type AskOptions, askAndWait } from './ask.js';
export { type CancelOptions, cancelMessage } from './cancel.js';
export { MonitorError, type MonitorErrorCode } from './errors.js';
export {
  type AddOptions,
  MessageMonitor,
  type MonitorEvents,
  type MonitorOptions,
} from './message-monitor.js';
export { pollUntilComplete, type WaitOptions } from './poll.js';
export type {
  ContentUpdated,
  MessageCompleted,
  MessageContent,
  MessageExpired,
  MessageFailed,
  MessageStatus,
  MonitoredMessage,
  StatusChanged,
} from './status.js';
export { contentOf } from './status.js';

import type { MessageContent, MessageStatus } from './status.js';

/** `failed`: it ended without an answer. `expired`: its conversation did. `timeout`: time was up. */
export type MonitorErrorCode = 'failed' | 'expired' | 'timeout';

/** A message that was waited for has got no answer: a code, and a sentence with the next step. */
export class MonitorError extends Error {
  override readonly name = 'MonitorError';
  readonly code: MonitorErrorCode;
  readonly messageId: number;
  /** Where the message stood; undefined when it could not be looked up. */
  readonly status: MessageStatus | undefined;
  /** The error answer, where there is one. */
  readonly content: MessageContent | undefined;

  constructor(
    code: MonitorErrorCode,
    message: string,
    about: {
      readonly messageId: number;
      readonly status: MessageStatus | undefined;
      readonly content?: MessageContent | undefined;
    },
  ) {
    super(message);
    this.code = code;
    this.messageId = about.messageId;
    this.status = about.status;
    this.content = about.content;
  }
}

/** What the checker knows of a bus: plain rows, however they were read. */
export interface BusFacts {
  /** Every row addressed to the side that answers. */
  readonly questions: readonly QuestionFact[];
  /** Every row that this side wrote as an answer, in the order of its id. */
  readonly answers: readonly AnswerFact[];
  readonly done: readonly DoneFact[];
  /** Every attempt that ended, the last of a question included. */
  readonly attempts: readonly AttemptFact[];
}

export interface QuestionFact {
  readonly id: number;
  readonly conversation: string;
  /** The whole `message`. */
  readonly message: string;
  readonly read: boolean;
}

export interface AnswerFact {
  readonly id: number;
  /** What it says it replies to. */
  readonly question: number;
  readonly conversation: string;
  readonly answer: string;
}

export interface DoneFact {
  readonly question: number;
  readonly outcome: string;
  readonly answer: number | null;
  /** Number of the attempt that ended it. */
  readonly attempt: number;
}

/** Times are microseconds since the epoch; null where nothing is known. */
export interface AttemptFact {
  readonly question: number;
  readonly conversation: string;
  readonly attempt: number;
  readonly outcome: string;
  readonly seenUs: number;
  readonly claimedUs: number | null;
  readonly startedUs: number | null;
  readonly firstByteUs: number | null;
  readonly finishedUs: number;
}

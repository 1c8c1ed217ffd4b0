/** What a session still knows of earlier turns: pure, and bounded whatever is said. */

export interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

export interface ConversationLimits {
  /** Questions kept with their answers. */
  readonly maxTurns: number;
  /** Text kept, in UTF-16 units. */
  readonly maxChars: number;
}

const DEFAULT_CONVERSATION: ConversationLimits = { maxTurns: 50, maxChars: 200_000 };

interface Exchange {
  readonly question: string;
  readonly answer: string;
}

export class Conversation {
  readonly #limits: ConversationLimits;
  #exchanges: Exchange[] = [];
  #chars = 0;

  constructor(limits: ConversationLimits = DEFAULT_CONVERSATION) {
    this.#limits = limits;
  }

  get turns(): number {
    return this.#exchanges.length;
  }

  /** Everything said so far, and the question that comes next. */
  with(question: string): Message[] {
    const said = this.#exchanges.flatMap(({ question, answer }): Message[] => [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ]);
    return [...said, { role: 'user', content: question }];
  }

  /**
   * What is too much goes by halves, oldest first: what stays is the beginning of the next prompts,
   * and a beginning that changes with every question is in no provider's cache.
   */
  add(question: string, answer: string): void {
    this.#exchanges.push({ question, answer });
    this.#chars += question.length + answer.length;
    const { maxTurns, maxChars } = this.#limits;
    while (this.turns > maxTurns || this.#chars > maxChars) this.halve();
  }

  /** Forgets the older half, and of an odd number the one in the middle. */
  halve(): void {
    for (const gone of this.#exchanges.splice(0, Math.ceil(this.turns / 2))) {
      this.#chars -= gone.question.length + gone.answer.length;
    }
  }

  clear(): void {
    this.#exchanges = [];
    this.#chars = 0;
  }
}

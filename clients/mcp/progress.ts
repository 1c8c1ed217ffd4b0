/**
 * Tells a client how far its call is, at most ten times a second and one notification at a time: of
 * what comes faster than the client reads, only the latest is told. While nothing new comes, that is
 * told again now and then: many clients take a silent call for dead.
 */
const LEAST_GAP_MS = 100;
const AGAIN_AFTER_MS = 10_000;

/** Sends one notification. @param elapsedS grows from one to the next, as the protocol wants it */
type SendProgress = (elapsedS: number, message: string) => Promise<void>;

export class Progress {
  readonly #send: SendProgress | undefined;
  readonly #startedMs = performance.now();
  #latest: string | undefined;
  #told: string | undefined;
  #toldMs = Number.NEGATIVE_INFINITY;
  #isBusy = false;
  #isOver = false;
  readonly #ticking: NodeJS.Timeout | undefined;

  /**
   * @param send undefined when the client has not asked to be told
   * @param againAfterMs how often the same is told again
   */
  constructor(send: SendProgress | undefined, againAfterMs = AGAIN_AFTER_MS) {
    this.#send = send;
    if (send !== undefined) this.#ticking = setInterval(() => this.#repeat(), againAfterMs);
  }

  tell(message: string): void {
    this.#latest = message;
    void this.#next();
  }

  /** Nothing more is told: a notification after the answer belongs to no call. */
  end(): void {
    this.#isOver = true;
    clearInterval(this.#ticking);
  }

  #repeat(): void {
    this.#told = undefined;
    void this.#next();
  }

  async #next(): Promise<void> {
    if (this.#isBusy || this.#isOver || this.#send === undefined) return;
    if (this.#latest === undefined || this.#latest === this.#told) return;
    this.#isBusy = true;
    const nowMs = performance.now();
    const waitMs = this.#toldMs + LEAST_GAP_MS - nowMs;
    if (waitMs > 0) {
      setTimeout(() => this.#again(), waitMs);
      return;
    }
    this.#told = this.#latest;
    this.#toldMs = nowMs;
    // A client that is gone is noticed by the transport.
    await this.#send((nowMs - this.#startedMs) / 1000, this.#told).catch(() => undefined);
    this.#again();
  }

  #again(): void {
    this.#isBusy = false;
    void this.#next();
  }
}

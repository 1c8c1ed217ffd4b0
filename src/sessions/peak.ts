/** The most turns that ran at once lately: in this stretch of time and in the one before. */
export class Peak {
  #sinceMs = Number.NEGATIVE_INFINITY;
  #now = 0;
  #before = 0;

  get value(): number {
    return Math.max(this.#now, this.#before);
  }

  note(busy: number): void {
    if (busy > this.#now) this.#now = busy;
  }

  /** Begins a new stretch when this one is over; `busy` run at this moment. */
  turn(nowMs: number, stretchMs: number, busy: number): void {
    if (nowMs - this.#sinceMs < stretchMs) return;
    this.#sinceMs = nowMs;
    this.#before = this.#now;
    this.#now = busy;
  }
}

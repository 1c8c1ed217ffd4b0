/**
 * Which requests wait and which are on the wire. The server stops reading a connection that has
 * more questions in flight than it allows; a cancel behind them would not be heard. So no more
 * than that are sent, and the rest wait here, higher priority first, then in order.
 */
import { type Exchange, REPORT_PRIORITY } from './exchange.js';

export class Flight {
  readonly #lanes = new Map<number, Set<Exchange>>();
  readonly #sent = new Map<number, Exchange>();
  /** Cancelled or given up by us; at the server until their terminal line comes. */
  readonly #recalled = new Set<number>();
  #waiting = 0;

  /** Requests that are not settled. */
  get size(): number {
    return this.#waiting + this.#sent.size;
  }

  /** Questions the server counts as in flight. */
  get onWire(): number {
    return this.#sent.size + this.#recalled.size;
  }

  /** Whether one more may be sent at once: nothing waits that would go before it. */
  hasRoom(maxInFlight: number): boolean {
    return this.#waiting === 0 && this.onWire < maxInFlight;
  }

  wait(exchange: Exchange): void {
    const lane = this.#lanes.get(exchange.priority);
    if (lane === undefined) this.#lanes.set(exchange.priority, new Set([exchange]));
    else lane.add(exchange);
    this.#waiting += 1;
  }

  /** Takes the next one out of the queue; when the wire is full, only a report. */
  next(full: boolean): Exchange | undefined {
    if (this.#waiting === 0) return undefined;
    const first = Math.max(...this.#lanes.keys());
    if (full && first !== REPORT_PRIORITY) return undefined;
    const [exchange] = this.#lanes.get(first) ?? [];
    if (exchange !== undefined) this.#leave(exchange);
    return exchange;
  }

  sent(exchange: Exchange): void {
    this.#sent.set(exchange.id, exchange);
  }

  onWireAs(id: number): Exchange | undefined {
    return this.#sent.get(id);
  }

  recalled(id: number): void {
    this.#recalled.add(id);
  }

  /** The server has ended a request; true when it was a recalled one. */
  concluded(id: number): boolean {
    return this.#recalled.delete(id);
  }

  settled(exchange: Exchange): void {
    if (!this.#sent.delete(exchange.id)) this.#leave(exchange);
  }

  /**
   * The connection is gone: nothing is on the wire. What may be sent again waits in front of what
   * waited behind it; the rest is given back.
   */
  lost(): Exchange[] {
    const [again, lost] = [[] as Exchange[], [] as Exchange[]];
    for (const exchange of this.#sent.values()) (exchange.unsend() ? again : lost).push(exchange);
    const queue = [...again, ...this.waiting()];
    this.#sent.clear();
    this.#recalled.clear();
    this.#lanes.clear();
    this.#waiting = 0;
    for (const exchange of queue) this.wait(exchange);
    return lost;
  }

  /** Everything that waits, next first. */
  waiting(): Exchange[] {
    const lanes = [...this.#lanes].sort(([a], [b]) => b - a);
    return lanes.flatMap(([, lane]) => [...lane]);
  }

  #leave(exchange: Exchange): void {
    const lane = this.#lanes.get(exchange.priority);
    if (lane?.delete(exchange) !== true) return;
    this.#waiting -= 1;
    if (lane.size === 0) this.#lanes.delete(exchange.priority);
  }
}

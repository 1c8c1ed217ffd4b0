/**
 * Drains the bus: claims questions, asks them over the socket, writes the answers back.
 *
 * What is always true:
 *  - Nothing is claimed that cannot be asked now: no bridge, no free slot, or a stop under way.
 *  - A question is let go only when nothing works on it any more: its turn is stopped first.
 *  - A turn ends in exactly one of: an answer, a hand-back, or the loss of its lease; whichever
 *    it is, the bus decides by the token, so a late turn writes nothing.
 *  - Answers that arrive in one chunk, and the claims that follow them, share one transaction:
 *    both are submitted before the event loop turns.
 */
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ClaimRequest, type Lease, readParks } from '../../src/bus/index.js';
import { failpoint, note } from '../../src/failpoints/index.js';
import type { Listener, Outcome, Pending, Answer as Reply } from '../socket/index.js';
import { type KeptTurn, LeaseKeeper } from './lease-keeper.js';
import { Outage } from './outage.js';
import type { Parking } from './parking.js';
import { type AutopollParts, assemble } from './parts.js';
import type { Reaper } from './reaper.js';
import { recover } from './recovery.js';
import { Settling } from './settling.js';
import { type Offer, Slots } from './slots.js';
import { answerWithoutAsking, queryFor, type Settlement } from './turn.js';
import { engineOf, type Verdicts } from './verdicts.js';
import type { Watch } from './watch.js';
import { WithdrawnTurns } from './withdrawn.js';

/** Looking earlier than needed is harmless; a timer of more than 24 days rings at once. */
const LONGEST_WAIT_MS = 3_600_000;
/** A bridge kills what does not stop within half a second, and then whatever that had started. */
const STOP_TURN_MS = 30_000;
/** The same when this process stops: it must not be killed for taking long. */
const LAST_STOP_MS = 1_000;
/** Neither that nor a bus that cannot be written to holds up a stop for longer. */
const LAST_WRITES_MS = 2_000;

const NOTHING: Offer = { limit: 0, full: [] };

/** Who hears of a turn. */
interface TurnOwner {
  progress(turn: Turn): void;
  done(turn: Turn, outcome: Outcome<Reply>): void;
  giveUp(turn: Turn, why: GiveUpReason): void;
}

type GiveUpReason = Parameters<KeptTurn['giveUp']>[0];

/**
 * One turn under way: a lease and the request that answers it. A class rather than closures: a
 * turn then costs one object.
 */
class Turn implements KeptTurn, Listener<Reply> {
  readonly lease: Lease;
  /** When the question was claimed, on the monotonic clock. */
  readonly startedMs: number;
  pending: Pending | undefined = undefined;
  /** It is being stopped; what is written then, or nothing when its question is another's. */
  stop: { readonly next: Settlement | undefined; readonly timer: NodeJS.Timeout } | undefined =
    undefined;
  over = false;
  readonly #owner: TurnOwner;

  constructor(owner: TurnOwner, lease: Lease, startedMs: number) {
    this.#owner = owner;
    this.lease = lease;
    this.startedMs = startedMs;
  }

  progress(): void {
    this.#owner.progress(this);
  }

  done(outcome: Outcome<Reply>): void {
    this.#owner.done(this, outcome);
  }

  giveUp(why: GiveUpReason): void {
    this.#owner.giveUp(this, why);
  }
}

export class Autopoll {
  readonly #parts: AutopollParts;
  readonly #slots: Slots;
  readonly #settling: Settling;
  readonly #keeper: LeaseKeeper;
  readonly #withdrawn: WithdrawnTurns;
  readonly #outage: Outage;
  readonly #parking: Parking;
  readonly #reaper: Reaper;
  readonly #watch: Watch;
  readonly #verdicts: Verdicts;
  readonly #owner: TurnOwner = {
    progress: (turn) => this.#keeper.progress(turn),
    done: (turn, outcome) => this.#done(turn, outcome),
    giveUp: (turn, why) => this.#giveUp(turn, why),
  };
  readonly #moved = new EventEmitter<{ moved: [] }>();
  readonly #served = new Set<string>();
  #delayed: NodeJS.Timeout | undefined;
  #unwatch: () => void = () => {};
  #claiming: Promise<void> | undefined;
  #pumpAgain = false;
  #stopping = false;

  constructor(parts: AutopollParts) {
    this.#parts = parts;
    const { bus, clock, log, settings } = parts;
    this.#slots = new Slots(settings.concurrency);
    this.#settling = new Settling({
      ...{ bus, log },
      inFlight: () => this.#keeper.size,
      look: () => this.#look(),
    });
    this.#keeper = new LeaseKeeper({ bus, clock, ...settings });
    const keeper = this.#keeper;
    this.#withdrawn = new WithdrawnTurns({ bus, keeper, log, claiming: () => this.#claiming });
    this.#outage = new Outage(clock);
    const { parking, reaper, watch, verdicts } = assemble(parts, this.#outage, {
      beforeReaping: () => this.#keeper.catchUp(),
      reaped: () => this.#look(),
      opened: () => this.#settling.soon(),
      work: () => ({
        active: this.active,
        offer: this.#outage.pauseMs() === 0 ? this.#offer() : NOTHING,
      }),
    });
    this.#parking = parking;
    this.#reaper = reaper;
    this.#watch = watch;
    this.#verdicts = verdicts;
  }

  /** Turns under way. */
  get active(): number {
    return this.#keeper.size;
  }

  /** Starts draining and goes on until `stop`. */
  async start(): Promise<void> {
    await this.#begin();
    await this.#watch.appear();
    this.#pump();
  }

  /**
   * Drains what is there and returns. Waits for retries that are due later and for leases of
   * others to end; a bus with nothing to do is not written to.
   */
  async drainOnce(signal: AbortSignal): Promise<void> {
    await this.#begin();
    const { bus, settings } = this.#parts;
    while (!signal.aborted) {
      this.#pump();
      await this.#claiming;
      if (!this.#busy() && !bus.hasWork(settings)) break;
      await once(this.#moved, 'moved', { signal }).catch(() => undefined);
    }
    await bus.heartbeat([...this.#served]);
    this.#served.clear();
  }

  /**
   * Claims nothing more and waits for the turns under way, up to `drainMs`; those that are left
   * are handed back untouched.
   */
  async stop(drainMs: number): Promise<void> {
    this.#stopping = true;
    this.#reaper.stop();
    clearTimeout(this.#delayed);
    this.#unwatch();
    failpoint('drain.mid');
    const deadline = AbortSignal.timeout(drainMs);
    await within(drainMs, this.#claiming);
    await this.#quiet(deadline);
    for (const turn of [...this.#keeper.turns] as Turn[]) {
      this.#stopTurn(turn, LAST_STOP_MS, { step: 'release', delayMs: 0 });
    }
    await this.#quiet(AbortSignal.timeout(LAST_WRITES_MS));
    this.#keeper.close();
    await within(LAST_STOP_MS / 2, this.#watch.stop());
  }

  async #begin(): Promise<void> {
    const { bus, links, log } = this.#parts;
    await recover(bus, this.#reaper, log);
    this.#parking.restore(readParks(bus));
    this.#unwatch = bus.watch(() => {
      this.#withdrawn.look();
      this.#look();
    });
    links.onConnected(() => {
      this.#look();
      this.#watch.changed();
    });
    this.#reaper.start();
    this.#watch.start();
  }

  #busy(): boolean {
    return this.#keeper.size > 0 || this.#settling.size > 0;
  }

  async #quiet(deadline: AbortSignal): Promise<void> {
    while (this.#busy() && !deadline.aborted) {
      await once(this.#moved, 'moved', { signal: deadline }).catch(() => undefined);
    }
  }

  /** Something outside may have changed. */
  #look(): void {
    this.#pump();
    this.#moved.emit('moved');
  }

  /** Claims as much as may be asked now. Called whenever that may have changed; never waits. */
  #pump(): void {
    if (this.#claiming) {
      this.#pumpAgain = true;
      return;
    }
    const offer = this.#offer();
    if (offer.limit <= 0) return;
    this.#claiming = this.#claim(offer).finally(() => {
      this.#claiming = undefined;
      if (!this.#pumpAgain) return;
      this.#pumpAgain = false;
      this.#pump();
    });
  }

  #offer(): Offer {
    if (this.#stopping || !this.#parts.links.connected) return NOTHING;
    const pauseMs = this.#outage.pauseMs();
    if (pauseMs === 0) return this.#slots.offer();
    this.#pumpIn(pauseMs);
    return NOTHING;
  }

  async #claim({ limit, full }: Offer): Promise<void> {
    const { bus, log, settings } = this.#parts;
    const { leaseMs, conversations, includeExpired } = settings;
    const closed = this.#parking.closed ?? [];
    const withoutModels = full.length + closed.length === 0 ? undefined : [...full, ...closed];
    const request: ClaimRequest = {
      ...{ limit, leaseMs, conversations, includeExpired, withoutModels },
    };
    try {
      const leases = await bus.claim(request);
      if (leases.length > 0) this.#watch.claimed();
      for (const lease of leases) this.#take(lease);
      // One engine had less room than another, which may be waited for.
      if (leases.length === limit && this.#slots.engines > 1) this.#pumpAgain = true;
      const nextMs = leases.length < limit ? bus.nextReadyMs() : undefined;
      const soonestMs = Math.min(
        nextMs ?? LONGEST_WAIT_MS,
        this.#parking.nextProbeMs ?? LONGEST_WAIT_MS,
      );
      if (soonestMs < LONGEST_WAIT_MS) this.#pumpIn(soonestMs);
    } catch (error) {
      log.error({ err: error }, 'claim failed; trying again');
      this.#pumpIn(this.#parts.settings.reapEveryMs);
    }
  }

  #pumpIn(delayMs: number): void {
    clearTimeout(this.#delayed);
    this.#delayed = setTimeout(() => this.#look(), Math.min(Math.ceil(delayMs), LONGEST_WAIT_MS));
  }

  #take(lease: Lease): void {
    const { settings, clock } = this.#parts;
    const { questionId: question, attempt, conversationId: conversation } = lease;
    note({ what: 'claimed', question, attempt, conversation });
    this.#served.add(conversation);
    const turn = new Turn(this.#owner, lease, clock.monotonicMs());
    this.#keeper.add(turn);
    this.#slots.take(engineOf(lease));
    const ready = answerWithoutAsking(lease, settings);
    if (ready) this.#end(turn, { step: 'complete', answer: ready });
    else if (!this.#parking.admits(engineOf(lease), question)) {
      // Not at once: where the claim did not know its engine, it would be claimed again and again.
      this.#end(turn, { step: 'release', delayMs: this.#parking.waitMs(engineOf(lease)) });
    } else this.#ask(turn);
  }

  #ask(turn: Turn): void {
    const { links, settings } = this.#parts;
    const { question } = turn.lease;
    if (question.kind !== 'question') return;
    const options = queryFor(turn.lease, question, settings);
    failpoint('send.pre');
    const { questionId, attempt } = turn.lease;
    note({ what: 'asked_bridge', question: questionId, attempt });
    turn.pending = links.submit(question.question, options, turn);
  }

  #done(turn: Turn, outcome: Outcome<Reply>): void {
    const { questionId: question, attempt } = turn.lease;
    note({ what: 'answered', question, attempt, result: outcome.ok ? 'ok' : outcome.error.code });
    if (turn.over) return;
    // An answer that was faster than the stop is an answer, unless the question is another's.
    if (turn.stop && !(outcome.ok && turn.stop.next)) this.#letGo(turn);
    else this.#end(turn, this.#verdicts.of(turn, outcome));
  }

  #giveUp(turn: Turn, why: GiveUpReason): void {
    const { log, settings } = this.#parts;
    if (turn.over) return;
    const { questionId: question, attempt } = turn.lease;
    log.warn({ question, attempt, why }, 'turn given up');
    const next = why === 'idle' ? this.#verdicts.ofSilence(turn) : undefined;
    this.#stopTurn(turn, settings.stopTurnMs ?? STOP_TURN_MS, next);
  }

  /**
   * Stops the work on a question and keeps its lease until that is certain, or `withinMs` are over:
   * nobody else begins while it may still be at work. Then does what is to be done.
   * @param next undefined when the question is another's by now, and nothing may be written
   */
  #stopTurn(turn: Turn, withinMs: number, next: Settlement | undefined): void {
    const { stop } = turn;
    clearTimeout(stop?.timer);
    const timer = setTimeout(() => turn.pending?.cancel(), withinMs);
    turn.stop = { next: stop && next ? stop.next : next, timer };
    if (stop) return;
    this.#keeper.stopping(turn);
    if (turn.pending) turn.pending.stop();
    else this.#letGo(turn);
  }

  #letGo(turn: Turn): void {
    if (turn.stop?.next) this.#end(turn, turn.stop.next);
    else {
      this.#close(turn);
      this.#look();
    }
  }

  #end(turn: Turn, settlement: Settlement): void {
    this.#close(turn);
    this.#settling.add(turn.lease, settlement);
  }

  #close(turn: Turn): void {
    turn.over = true;
    clearTimeout(turn.stop?.timer);
    this.#keeper.remove(turn);
    const engine = engineOf(turn.lease);
    this.#slots.leave(engine);
    this.#parking.left(engine, turn.lease.questionId);
  }
}

async function within(ms: number, work: Promise<unknown> | undefined): Promise<void> {
  const given = new AbortController();
  const timer = sleep(ms, undefined, { signal: given.signal }).catch(() => undefined);
  await Promise.race([work, timer]);
  given.abort();
}

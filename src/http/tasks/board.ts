/**
 * The tasks of the door. What is true of a task is on the bus; here is who waits for one, and what
 * the turns that run in this process say of themselves. So a restart loses nothing.
 */
import type { Bridge, QueryReply } from '../../bridge/index.js';
import {
  BusError,
  cancelQuestion,
  composeQuestion,
  type DoorLimits,
  type DoorTask,
  fillDoorLanes,
  keepDoorOpen,
  moveOutDoorTasks,
  noteDoorFinished,
  type PutDoorTask,
  prepareDoor,
  putDoorTask,
  type QuestionText,
  readDoorTask,
  type SqliteBus,
  stickyDoorConversation,
  unnotedDoorTasks,
} from '../../bus/index.js';
import type { Clock } from '../../clock.js';
import { fault } from '../../errors.js';
import type { Log } from '../../log.js';
import { BusHolder, type BusPlace } from './bus-holder.js';
import { Turns } from './turns.js';
import type { TurnFacts } from './view.js';

export interface NewTask {
  readonly taskId: string;
  readonly question: QuestionText;
  readonly sticky: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly digest: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export interface BoardOptions {
  readonly place: BusPlace;
  readonly limits: DoorLimits;
  readonly bridge: Bridge;
  readonly clock: Clock;
  readonly log: Log;
}

/** The bus tells of each commit; looks follow each other no closer than this, in milliseconds. */
const LOOK_EVERY_MS = 2;
/** Part of the time that looks may take, however many tasks there are: the inverse of it. */
const LOOK_SHARE = 10;
/** Ends are noted together: this many, or those of this long, in milliseconds. */
const NOTE_TOGETHER = 32;
const NOTE_WITHIN_MS = 250;
/** A turn that is not known here yet is looked for again after this. */
const LOOK_AGAIN_MS = 250;
/** What is old is moved out this often. */
const TIDY_EVERY_MS = 3_600_000;
/** A bus that cannot be written for longer than this keeps a client waiting in vain. */
const PUT_WITHIN_MS = 10_000;

export class TaskBoard {
  readonly #options: BoardOptions;
  readonly #holder: BusHolder;
  readonly #turns: Turns;
  readonly #waiting = new Map<string, Set<(task: DoorTask) => void>>();
  readonly #stop = new AbortController();
  #looking: NodeJS.Timeout | undefined;
  /** When that look is, and how long the last one took. */
  #lookMs = 0;
  #tookMs = 0;
  #moving: Promise<unknown> = Promise.resolve();
  #notedMs = 0;
  #tidying: NodeJS.Timeout | undefined;

  constructor(options: BoardOptions) {
    this.#options = options;
    const { place, clock, log } = options;
    this.#holder = new BusHolder(place, (bus) => this.#opened(bus), clock, log);
    this.#turns = new Turns(options.bridge);
  }

  get file(): string {
    return this.#holder.file;
  }

  /** The bus that the tasks are on. @throws BusError while it cannot be used */
  bus(): Promise<SqliteBus> {
    return this.#holder.open();
  }

  /** Opens the bus; one that cannot be opened now is tried again when it is needed. */
  async start(): Promise<void> {
    await this.#holder.open().catch((error: unknown) => {
      if (!(error instanceof BusError)) throw error;
    });
  }

  /**
   * Resolves when the task is on the bus, written for good.
   * @throws RangeError when the question is too long for the bus
   * @throws BusError, WarmlineError
   */
  async put(task: NewTask): Promise<PutDoorTask> {
    const bus = await this.#holder.open();
    const { message, metadata } = await composeQuestion(task.question);
    const { priority = 0 } = task.question;
    const put = putDoorTask(bus, { ...task, message, metadata, priority }, this.#options.limits);
    const made = await within(put, PUT_WITHIN_MS);
    if (made !== undefined) {
      this.#lookSoon();
      return made;
    }
    // It may still be written; nobody was told of it then.
    void put.then((late) => late.put === 'made' && this.cancel(late.taskId)).catch(() => undefined);
    throw fault(
      'busy',
      'the bus cannot be written to, as when another program has it locked; ask again in a moment',
      {
        retryAfterMs: 5_000,
      },
    );
  }

  /** @throws BusError */
  async read(taskId: string): Promise<DoorTask | undefined> {
    return readDoorTask(await this.#holder.open(), taskId);
  }

  turnOf(task: DoorTask): TurnFacts | undefined {
    return this.#turns.factsOf(task);
  }

  /** The reply of a task that has been answered, whole, as long as the bridge remembers it. */
  async replyOf({ requestId }: DoorTask): Promise<QueryReply | undefined> {
    return requestId === undefined ? undefined : await this.#turns.reply(requestId);
  }

  /** Every unfinished task, oldest first. @throws BusError */
  async active(): Promise<DoorTask[]> {
    const bus = await this.#holder.open();
    return unnotedDoorTasks(bus).filter(({ state }) => state !== 'finished');
  }

  /** How many tasks are unfinished; undefined while the bus cannot be used. */
  async countActive(): Promise<number | undefined> {
    return await this.active().then(
      ({ length }) => length,
      () => undefined,
    );
  }

  /** The task once it has ended, or undefined when the signal is aborted first. @throws BusError */
  async finished(taskId: string, signal: AbortSignal): Promise<DoorTask | undefined> {
    const now = await this.read(taskId);
    if (now?.state === 'finished') return now;
    return await new Promise((resolve) => {
      const waiters = this.#waiting.get(taskId) ?? new Set();
      this.#waiting.set(taskId, waiters);
      const end = (task: DoorTask | undefined) => {
        waiters.delete(told);
        if (waiters.size === 0) this.#waiting.delete(taskId);
        signal.removeEventListener('abort', giveUp);
        resolve(task);
      };
      const told = (task: DoorTask) => end(task);
      const giveUp = () => end(undefined);
      waiters.add(told);
      signal.addEventListener('abort', giveUp);
      if (signal.aborted) giveUp();
      else this.#lookSoon();
    });
  }

  /** Ends a task and stops its turn. @returns whether it was unfinished @throws BusError */
  async cancel(taskId: string): Promise<boolean> {
    const bus = await this.#holder.open();
    const task = readDoorTask(bus, taskId);
    if (task === undefined || task.state === 'finished') return false;
    const outcome = await cancelQuestion(bus, task.questionId);
    this.#lookSoon();
    return outcome === 'cancelled';
  }

  /** The conversation whose session a sticky key stands for. @throws BusError */
  async conversationOf(sticky: string): Promise<string> {
    return await stickyDoorConversation(await this.#holder.open(), sticky);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    clearTimeout(this.#looking);
    clearInterval(this.#tidying);
    this.#turns.close();
    await this.#moving;
    await this.#holder.close();
  }

  #opened(bus: SqliteBus): void {
    bus.watch(() => this.#lookSoon());
    this.#tidying ??= setInterval(() => void this.#tidy(), TIDY_EVERY_MS).unref();
    void this.#tidy();
    this.#lookSoon();
  }

  #lookSoon(delayMs = LOOK_EVERY_MS): void {
    if (this.#stop.signal.aborted) return;
    const afterMs = Math.max(delayMs, this.#tookMs * LOOK_SHARE);
    const atMs = this.#options.clock.monotonicMs() + afterMs;
    if (this.#looking !== undefined && this.#lookMs <= atMs) return;
    clearTimeout(this.#looking);
    this.#lookMs = atMs;
    this.#looking = setTimeout(() => {
      this.#looking = undefined;
      const startedMs = this.#options.clock.monotonicMs();
      this.#look();
      this.#tookMs = this.#options.clock.monotonicMs() - startedMs;
    }, afterMs);
  }

  #look(): void {
    const bus = this.#holder.current;
    if (bus === undefined) return;
    try {
      const tasks = unnotedDoorTasks(bus);
      const finished = tasks.filter(({ state }) => state === 'finished');
      for (const task of finished) {
        this.#turns.forget(task.taskId);
        for (const told of [...(this.#waiting.get(task.taskId) ?? [])]) told(task);
      }
      const running = tasks.filter(({ state }) => state === 'running');
      if (running.some((task) => this.#turns.factsOf(task) === undefined)) {
        this.#lookSoon(LOOK_AGAIN_MS);
      }
      this.#moveOn(bus, finished);
    } catch (error) {
      this.#options.log.error({ err: error }, 'the tasks could not be looked at; trying again');
      // The file may be another one by now, which has no tasks yet.
      prepareDoor(bus).catch(() => undefined);
      this.#lookSoon(LOOK_AGAIN_MS * 4);
    }
  }

  /** One write at a time, and none when there is nothing to write. */
  #moveOn(bus: SqliteBus, finished: readonly DoorTask[]): void {
    const { atOnce } = this.#options.limits;
    const nowMs = this.#options.clock.monotonicMs();
    const isDue = finished.length >= NOTE_TOGETHER || nowMs - this.#notedMs >= NOTE_WITHIN_MS;
    if (finished.length > 0 && !isDue) this.#lookSoon(NOTE_WITHIN_MS);
    if (isDue) this.#notedMs = nowMs;
    this.#moving = this.#moving
      .then(async () => {
        if (isDue && finished.length > 0) await noteDoorFinished(bus, finished);
        await fillDoorLanes(bus, atOnce);
      })
      .catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#options.log.error({ err: error }, 'the tasks could not be moved on; trying again');
        this.#lookSoon(LOOK_AGAIN_MS * 4);
      });
  }

  async #tidy(): Promise<void> {
    const bus = this.#holder.current;
    if (bus === undefined) return;
    const { clock, log } = this.#options;
    try {
      await keepDoorOpen(bus);
      const moved = await moveOutDoorTasks(bus, clock.wallUs(), this.#stop.signal);
      if (moved > 0) log.info({ tasks: moved }, 'old tasks moved out');
    } catch (error) {
      if (!this.#stop.signal.aborted) log.warn({ err: error }, 'old tasks could not be moved out');
    }
  }
}

async function within<T>(work: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

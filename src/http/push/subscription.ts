/** What one reader wants of the feed: everything, or what becomes of some tasks. */
import type { ChangeEvent, ProgressEvent } from './events.js';
import { isEnd } from './events.js';
import type { ChangeFeed, FeedReader, Seat } from './feed.js';
import type { ProgressWatch } from './progress.js';

/** Where a reader's events go. */
export interface Outlet {
  readonly isReady: boolean;
  events(events: readonly ChangeEvent[]): void;
  progress(told: ProgressEvent): void;
  reset(seq: number): void;
  /** It has been told all there is, for the first time. */
  caughtUp(): void;
  /** No more is told: every task has ended (`over`), or the server stops. */
  close(isOver: boolean): void;
}

export interface Wanted {
  /** Task ids by the ids of their questions; undefined: every change there is. */
  readonly tasks: ReadonlyMap<number, string> | undefined;
  /** The last event that was told in an earlier life. */
  readonly after: number | undefined;
}

export class Subscription implements FeedReader {
  readonly #feed: ChangeFeed;
  readonly #progress: ProgressWatch;
  readonly #outlet: Outlet;
  readonly #wanted: Wanted;
  /** Questions of tasks that have not ended yet, as far as was told. */
  readonly #open: Set<number>;
  readonly #watching = new Map<number, () => void>();
  /** Where the tasks stood when it began after an earlier life; told only by what came since. */
  #stood: readonly ChangeEvent[] = [];
  #seat: Seat | undefined;
  #isOver = false;

  constructor(feed: ChangeFeed, progress: ProgressWatch, outlet: Outlet, wanted: Wanted) {
    this.#feed = feed;
    this.#progress = progress;
    this.#outlet = outlet;
    this.#wanted = wanted;
    this.#open = new Set(wanted.tasks?.keys());
  }

  /** @throws BusError, WarmlineError */
  async begin(): Promise<void> {
    await this.#begin(this.#wanted.after);
  }

  end(): void {
    this.#isOver = true;
    this.#seat?.leave();
    for (const stop of this.#watching.values()) stop();
    this.#watching.clear();
  }

  /** The reader can take more. */
  wake(): void {
    this.#seat?.wake();
  }

  get isReady(): boolean {
    return this.#outlet.isReady;
  }

  tell(events: readonly ChangeEvent[]): void {
    const { tasks } = this.#wanted;
    const news = tasks ? events.filter(({ question_id: id }) => this.#open.has(id)) : events;
    if (news.length === 0) return;
    this.#outlet.events(news);
    if (tasks === undefined) return;
    const told = new Set(news.map(({ question_id: id }) => id));
    this.#stood = this.#stood.filter(({ question_id: id }) => !told.has(id));
    for (const event of news) this.#follow(event);
    this.#endIfOver();
  }

  reset(seq: number): void {
    this.#outlet.reset(seq);
    if (this.#wanted.tasks === undefined) return;
    this.#seat?.leave();
    this.#begin(undefined).catch(() => this.close());
  }

  caughtUp(): void {
    for (const event of this.#stood) this.#follow(event);
    this.#stood = [];
    if (this.#wanted.tasks) this.#endIfOver();
    if (!this.#isOver) this.#outlet.caughtUp();
  }

  close(): void {
    this.end();
    this.#outlet.close(false);
  }

  async #begin(after: number | undefined): Promise<void> {
    const { tasks } = this.#wanted;
    await this.#feed.open();
    const standing = tasks && (await this.#feed.standings([...this.#open]));
    if (this.#isOver) return;
    this.#seat = this.#feed.join(this, after ?? standing?.seq);
    if (standing === undefined) return;
    if (after === undefined) this.tell(standing.events);
    else this.#stood = standing.events;
  }

  #endIfOver(): void {
    if (this.#open.size > 0 || this.#isOver) return;
    this.end();
    this.#outlet.close(true);
  }

  #follow(event: ChangeEvent): void {
    const { question_id: id, status } = event;
    if (isEnd(event)) this.#open.delete(id);
    const taskId = this.#wanted.tasks?.get(id);
    if (status === 'running' && taskId !== undefined) {
      const tell = (told: ProgressEvent) => {
        if (this.#outlet.isReady) this.#outlet.progress(told);
      };
      if (!this.#watching.has(id)) this.#watching.set(id, this.#progress.watch(taskId, tell));
      return;
    }
    this.#watching.get(id)?.();
    this.#watching.delete(id);
  }
}

/**
 * What running tasks say of themselves, for those who watch them: one timer for all, which looks
 * only at what this process knows. Nothing of it is kept.
 */
import type { DoorTask } from '../../bus/index.js';
import type { TaskBoard } from '../tasks/board.js';
import { progressOf } from '../tasks/view.js';
import type { ProgressEvent } from './events.js';

type Listener = (told: ProgressEvent) => void;

/** How often it is looked for news, in milliseconds. */
const LOOK_EVERY_MS = 200;

interface Watched {
  /** As it was taken up; undefined until it has been read. */
  task: DoorTask | undefined;
  /** What was told last, as JSON. */
  told: string;
  readonly listeners: Set<Listener>;
}

export class ProgressWatch {
  readonly #board: TaskBoard;
  readonly #watched = new Map<string, Watched>();
  #timer: NodeJS.Timeout | undefined;

  constructor(board: TaskBoard) {
    this.#board = board;
  }

  /** Tells of a task that has been taken up. @returns what ends it */
  watch(taskId: string, listener: Listener): () => void {
    const watched = this.#watched.get(taskId) ?? this.#begin(taskId);
    watched.listeners.add(listener);
    if (watched.told !== '') listener({ task_id: taskId, progress: JSON.parse(watched.told) });
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    return () => {
      watched.listeners.delete(listener);
      if (watched.listeners.size > 0 || this.#watched.get(taskId) !== watched) return;
      this.#watched.delete(taskId);
      if (this.#watched.size === 0) this.close();
    };
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #begin(taskId: string): Watched {
    const watched: Watched = { task: undefined, told: '', listeners: new Set() };
    this.#watched.set(taskId, watched);
    this.#board.read(taskId).then(
      (task) => {
        watched.task = task;
      },
      // A bus that cannot be read: there is no progress then, and the changes come all the same.
      () => undefined,
    );
    return watched;
  }

  #look(): void {
    for (const [taskId, watched] of this.#watched) {
      const turn = watched.task && this.#board.turnOf(watched.task);
      if (watched.task === undefined || turn === undefined) continue;
      const progress = progressOf(watched.task, turn);
      const text = JSON.stringify(progress);
      if (text === watched.told) continue;
      watched.told = text;
      for (const listener of [...watched.listeners]) listener({ task_id: taskId, progress });
    }
  }
}

/**
 * What the page knows of this moment. The server says when something happened, and then it is looked
 * at again; now and then it is looked at anyway. Ages go by the clock of the server.
 */
import type { State } from '../src/http/dashboard/wire.js';
import { ApiError, call, events, open } from './api.js';

export type Link =
  | { readonly at: 'connecting' }
  /** `pushed`: changes show at once; otherwise they are looked for. */
  | { readonly at: 'live'; readonly pushed: boolean }
  | { readonly at: 'lost'; readonly why: string }
  | { readonly at: 'locked' };

export interface Seen {
  readonly link: Link;
  readonly state: State | undefined;
  /** Grows with each look. */
  readonly version: number;
}

/** Looks follow each other no closer than this, in milliseconds. */
const APART_MS = 500;
/** While changes are pushed, and while they are not. */
const SLOW_MS = 5_000;
const FAST_MS = 2_000;
/** Until the stream of events is tried again. */
const STREAM_AGAIN_MS = 5_000;

export class Live {
  #seen: Seen = { link: { at: 'connecting' }, state: undefined, version: 0 };
  /** By `performance.now`, when the state came. */
  #cameMs = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #looking = false;
  #again = false;
  #pushed = false;
  #listening = false;
  /** When the stream of events is tried again. */
  #listenMs = Number.NEGATIVE_INFINITY;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get seen(): Seen {
    return this.#seen;
  }

  /** By the server's clock; while the server is out of reach, when it was last seen. */
  nowUs(): number {
    const { state, link } = this.#seen;
    if (state === undefined) return Date.now() * 1000;
    if (link.at === 'lost') return state.takenAtUs;
    return state.takenAtUs + (performance.now() - this.#cameMs) * 1000;
  }

  start(): void {
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.look();
    });
    void this.#look();
  }

  /** Looks soon; whoever asks meanwhile is served by the same look. */
  look(): void {
    if (this.#looking) {
      this.#again = true;
      return;
    }
    const waitMs = Math.max(0, this.#lookedMs + APART_MS - performance.now());
    this.#schedule(waitMs);
  }

  /** With a token that was just given. */
  unlock(): void {
    this.#lookedMs = Number.NEGATIVE_INFINITY;
    this.look();
  }

  #schedule(waitMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), waitMs);
  }

  async #look(): Promise<void> {
    this.#looking = true;
    this.#lookedMs = performance.now();
    try {
      const state = await call<State>('/v1/dashboard/state');
      this.#cameMs = performance.now();
      this.#tell({ at: 'live', pushed: this.#pushed }, state);
      if (state.bus.at === 'open') void this.#listen();
    } catch (error) {
      this.#tell(linkAfter(error), this.#seen.state);
    }
    this.#looking = false;
    if (this.#again) {
      this.#again = false;
      this.look();
    } else if (this.#seen.link.at !== 'locked') {
      this.#schedule(this.#pushed ? SLOW_MS : FAST_MS);
    }
  }

  #tell(link: Link, state: State | undefined): void {
    this.#seen = { link, state, version: this.#seen.version + 1 };
    this.#changed();
  }

  async #listen(): Promise<void> {
    if (this.#listening || performance.now() < this.#listenMs) return;
    this.#listening = true;
    try {
      const reply = await open('/v1/events');
      this.#pushed = true;
      this.look();
      for await (const _ of events(reply)) this.look();
    } catch {
      // Without the stream the page looks by itself, and that tells what is wrong.
    }
    this.#pushed = false;
    this.#listening = false;
    this.#listenMs = performance.now() + STREAM_AGAIN_MS;
    this.look();
  }
}

function linkAfter(error: unknown): Link {
  const why = error instanceof Error ? error.message : String(error);
  const isLocked = error instanceof ApiError && error.status === 401;
  return isLocked ? { at: 'locked' } : { at: 'lost', why };
}

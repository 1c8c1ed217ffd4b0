import type { ContextFile } from '../../context/context.js';
import { fault, type WarmlineError } from '../../errors.js';
import type { EngineSession, SessionEnd, Turn, TurnEvent, TurnResult } from '../engine.js';
import type { FakeSettings } from './engine.js';
import { parseScript, type Script, usualScript } from './script.js';

const FILLER = 'All work and no play makes a dull fake. ';
/** A multiple of the filler, so that the pieces of a flood add up to its answer. */
const FLOOD_PIECE = FILLER.length * 1600;
const MAX_REMEMBERED = 32;

type Emit = (event: TurnEvent) => void;

/** The turn that runs: how it can still end, and the timers that would end it. */
interface Running {
  readonly script: Script;
  readonly resolve: (result: TurnResult) => void;
  readonly reject: (error: unknown) => void;
  readonly timers: Set<() => void>;
  readonly emit: Emit;
  readonly answer: string;
  readonly sources: readonly string[];
  cancelled: boolean;
}

export class FakeSession implements EngineSession {
  readonly closed: Promise<SessionEnd>;
  readonly pids: readonly number[] = [];
  readonly memoryBytes?: () => number;

  readonly #settings: FakeSettings;
  readonly #bound: ContextFile | undefined;
  #remembered: readonly string[] = NOTHING;
  readonly #timers = new Set<() => void>();
  #end!: (end: SessionEnd) => void;
  #ended = false;
  #running: Running | undefined;
  #nextReset: Script['reset'] = 'works';
  #turns = 0;

  constructor(settings: FakeSettings, bound: ContextFile | undefined) {
    this.#settings = settings;
    this.#bound = bound;
    this.closed = new Promise((resolve) => {
      this.#end = resolve;
    });
    const perTurn = settings.memoryBytesPerTurn;
    if (perTurn !== undefined) this.memoryBytes = () => perTurn * (1 + this.#turns);
  }

  turn(turn: Turn, emit: Emit): Promise<TurnResult> {
    if (this.#ended) return Promise.reject(dead());
    this.#turns += 1;
    const script = parseScript(turn.question, this.#settings);
    const sources = citation(this.#bound ?? turn.context);
    if (script === undefined && this.#settings.delayMs === 0 && this.#settings.deltas === 0) {
      this.#remember(turn.question);
      return Promise.resolve(this.#result(`fake: ${turn.question}`, sources));
    }
    return this.#play(script ?? usualScript(turn.question, this.#settings), turn, sources, emit);
  }

  cancel(): void {
    const running = this.#running;
    if (running === undefined) return;
    const { ending } = running.script;
    if (ending.how === 'deaf') return;
    if (ending.how === 'late') {
      if (running.cancelled) return;
      running.cancelled = true;
      this.#callOff(running);
      this.#later(running, ending.afterMs, () => this.#answer(running));
      return;
    }
    this.#settle(running);
    running.reject(fault('cancelled', 'the turn was cancelled'));
  }

  reset(): void | Promise<void> {
    const how = this.#nextReset;
    this.#nextReset = 'works';
    if (how === 'fail') throw fault('engine_error', 'the fake was told to fail this reset');
    if (how === 'hang') return new Promise(() => {});
    if (this.#settings.resetDelayMs > 0) return this.#resetSlowly();
    this.#remembered = NOTHING;
  }

  async close(): Promise<void> {
    this.#finish({ how: 'closed' });
  }

  #play(script: Script, turn: Turn, sources: readonly string[], emit: Emit): Promise<TurnResult> {
    const answer = this.#text(script);
    this.#remember(turn.question);
    this.#nextReset = script.reset;
    return new Promise((resolve, reject) => {
      const timers = new Set<() => void>();
      const running: Running = {
        script,
        resolve,
        reject,
        timers,
        emit,
        answer,
        sources,
        cancelled: false,
      };
      this.#running = running;
      this.#stream(running);
      if (script.delayMs === 0) this.#conclude(running);
      else this.#later(running, script.delayMs, () => this.#conclude(running));
    });
  }

  /** Everything that comes before the end of a turn, spread evenly over its delay. */
  #stream(running: Running): void {
    const { script, answer } = running;
    this.#spread(running, script.signsOfLife, () => running.emit({ type: 'alive' }));
    const pieces = Math.min(script.deltas, answer.length);
    const each = Math.ceil(answer.length / Math.max(1, pieces));
    this.#spread(running, pieces === 0 ? 0 : Math.ceil(answer.length / each), (index) => {
      running.emit({ type: 'delta', text: answer.slice(index * each, (index + 1) * each) });
    });
    for (let left = script.floodChars; left > 0 && this.#running === running; left -= FLOOD_PIECE) {
      running.emit({ type: 'delta', text: filler(Math.min(left, FLOOD_PIECE)) });
    }
  }

  #spread(running: Running, count: number, act: (index: number) => void): void {
    const { delayMs } = running.script;
    for (let index = 0; index < count && this.#running === running; index += 1) {
      if (delayMs === 0) act(index);
      else this.#later(running, (delayMs * (index + 1)) / (count + 1), () => act(index));
    }
  }

  #conclude(running: Running): void {
    if (this.#running !== running) return;
    const { ending, retryAfterMs } = running.script;
    switch (ending.how) {
      case 'answer':
        this.#answer(running);
        return;
      case 'twice':
        this.#answer(running);
        this.#afterwards(() => running.emit({ type: 'delta', text: running.answer }));
        return;
      case 'die':
        this.#answer(running);
        this.#afterwards(() => this.#finish({ how: 'died', reason: 'told to die when idle' }));
        return;
      case 'crash':
        this.#finish({ how: 'died', reason: 'told to crash' });
        return;
      case 'error':
        this.#settle(running);
        // It quotes the question, as providers do.
        running.reject(
          fault(ending.code, `the fake was told to fail at "${running.script.question}"`, {
            retryAfterMs,
          }),
        );
        return;
      case 'throw':
        this.#settle(running);
        running.reject(new TypeError('the fake was told to throw'));
        return;
      case 'silent':
      case 'deaf':
      case 'late':
        return;
      default:
        ending satisfies never;
    }
  }

  #answer(running: Running): void {
    this.#settle(running);
    running.resolve(this.#result(running.answer, running.sources));
  }

  #callOff(running: Running): void {
    for (const callOff of running.timers) callOff();
    running.timers.clear();
  }

  #settle(running: Running): void {
    this.#callOff(running);
    if (this.#running === running) this.#running = undefined;
  }

  #finish(end: SessionEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const callOff of this.#timers) callOff();
    this.#timers.clear();
    const running = this.#running;
    if (running !== undefined) {
      this.#settle(running);
      running.reject(dead());
    }
    this.#end(end);
  }

  #later(running: Running, delayMs: number, act: () => void): void {
    const callOff = this.#settings.after(delayMs, () => {
      running.timers.delete(callOff);
      act();
    });
    running.timers.add(callOff);
  }

  /** Acts once the turn that just settled is over for everybody. */
  #afterwards(act: () => void): void {
    const callOff = this.#settings.after(1, () => {
      this.#timers.delete(callOff);
      act();
    });
    this.#timers.add(callOff);
  }

  #resetSlowly(): Promise<void> {
    return new Promise((resolve) => {
      const callOff = this.#settings.after(this.#settings.resetDelayMs, () => {
        this.#timers.delete(callOff);
        this.#remembered = NOTHING;
        resolve();
      });
      this.#timers.add(callOff);
    });
  }

  #text({ text, question, floodChars }: Script): string {
    if (floodChars > 0) return filler(floodChars);
    switch (text.of) {
      case 'usual':
        return `fake: ${question}`;
      case 'echo':
        return question;
      case 'history':
        return JSON.stringify(this.#remembered);
      case 'filler':
        return filler(text.chars);
      default:
        return text satisfies never;
    }
  }

  #remember(question: string): void {
    this.#remembered =
      this.#remembered === NOTHING
        ? [question]
        : [...this.#remembered.slice(1 - MAX_REMEMBERED), question];
  }

  #result(answer: string, sources: readonly string[]): TurnResult {
    return { answer, sources, model: this.#settings.model, stopReason: 'end_turn' };
  }
}

const NOTHING: readonly string[] = Object.freeze([]);

function citation(context: ContextFile | undefined): readonly string[] {
  return context === undefined ? NOTHING : [`${context.name}:1-1`];
}

function filler(chars: number): string {
  return FILLER.repeat(Math.ceil(chars / FILLER.length)).slice(0, chars);
}

function dead(): WarmlineError {
  return fault('engine_error', 'the fake session has ended');
}

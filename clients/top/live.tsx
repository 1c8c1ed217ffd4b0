/** The live view: what the sources tell goes into the model, and the model onto the screen. */
import { stripVTControlCharacters } from 'node:util';
import { render } from 'ink';
import type { SqliteBus } from '../../src/bus/index.js';
import { perform } from './acts.js';
import { App } from './app.js';
import { BridgeSource } from './bridge-source.js';
import { BusSource } from './bus-source.js';
import type { Line } from './cells.js';
import { type Act, type Effect, type Event, initialModel, type Model, reduce } from './model.js';
import type { TopOptions } from './options.js';
import { Screen } from './screen.js';
import { view } from './view.js';

interface LiveOptions extends TopOptions {
  /** All there is to say of a question, for people; undefined when there is no such question. */
  readonly describe: (bus: SqliteBus, messageId: number) => string | undefined;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly colours: boolean;
}

/** Ages are in whole seconds. */
const TICK_MS = 1000;
/** A process that nothing stopped goes on by itself, in milliseconds. */
const RESUME_MS = 100;
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/**
 * Runs until its user leaves it or a signal ends it; the terminal is as it was then.
 * @throws BusError when the bus cannot be used at the start
 */
export async function runTop(options: LiveOptions): Promise<void> {
  const top = new Top(options);
  try {
    await top.ended;
  } finally {
    await top.close();
  }
}

class Top {
  readonly ended: Promise<unknown>;
  readonly #options: LiveOptions;
  readonly #bus: BusSource;
  readonly #bridge: BridgeSource;
  readonly #screen: Screen;
  readonly #ink: ReturnType<typeof render>;
  readonly #tick: NodeJS.Timeout;
  #model: Model;
  #drawing: NodeJS.Immediate | undefined;
  #drawn: string | undefined;
  #resuming: NodeJS.Timeout | undefined;

  constructor(options: LiveOptions) {
    const { stdin, stdout } = options;
    this.#options = options;
    this.#screen = new Screen(stdout);
    this.#model = initialModel(this.#screen.size);
    this.#bus = new BusSource({
      ...options,
      changed: (bus) => this.#happened({ type: 'bus', bus }),
    });
    this.#bridge = new BridgeSource({
      ...options,
      changed: (bridge) => this.#happened({ type: 'bridge', bridge }),
    });
    // Whatever ends the process, a crash included.
    process.once('exit', this.#giveBack);
    process.on('SIGCONT', this.#resume);
    process.on('SIGWINCH', this.#resized);
    for (const signal of SIGNALS) process.on(signal, this.#quit);
    this.#screen.take();
    this.#ink = render(this.#app(), {
      // Ink writes each frame whole; the screen knows what of it is new.
      debug: true,
      stdout: this.#screen as unknown as NodeJS.WriteStream,
      stdin,
      exitOnCtrlC: false,
      patchConsole: false,
    });
    this.ended = this.#ink.waitUntilExit();
    this.#tick = setInterval(() => this.#draw(), TICK_MS);
  }

  async close(): Promise<void> {
    clearInterval(this.#tick);
    clearImmediate(this.#drawing);
    clearTimeout(this.#resuming);
    process.off('SIGCONT', this.#resume);
    process.off('SIGWINCH', this.#resized);
    process.off('exit', this.#giveBack);
    for (const signal of SIGNALS) process.off(signal, this.#quit);
    this.#ink.unmount();
    this.#screen.giveBack();
    await Promise.all([this.#bus.close(), this.#bridge.close()]);
  }

  readonly #giveBack = () => this.#screen.giveBack();
  readonly #quit = () => this.#ink.unmount();

  /** Also when it has the same size again by now: what was cut off in between is lost. */
  readonly #resized = () => {
    this.#screen.repaint();
    this.#happened({ type: 'size', size: this.#screen.size });
  };

  /** A shell sets the terminal to rights while it is in front, so all is done anew. */
  readonly #resume = () => {
    const { stdin } = this.#options;
    stdin.setRawMode(false);
    stdin.setRawMode(true);
    this.#screen.take();
    this.#happened({ type: 'size', size: this.#screen.size });
  };

  #happened(event: Event): void {
    const [model, effects] = reduce(this.#model, event);
    this.#model = model;
    for (const effect of effects) this.#do(effect);
    this.#drawing ??= setImmediate(() => {
      this.#drawing = undefined;
      this.#draw();
    });
  }

  #do(effect: Effect): void {
    switch (effect.do) {
      case 'quit':
        this.#quit();
        return;
      case 'suspend':
        this.#suspend();
        return;
      case 'list':
        this.#bus.want(effect.filter);
        return;
      case 'describe':
        this.#describe(effect.messageId);
        return;
      default:
        void this.#act(effect.do, effect.messageId);
    }
  }

  #suspend(): void {
    this.#screen.giveBack();
    this.#options.stdin.setRawMode(false);
    // All of the job, as the terminal itself would do it: a wrapper stops as well.
    process.kill(0, 'SIGTSTP');
    this.#resuming = setTimeout(this.#resume, RESUME_MS);
  }

  #describe(messageId: number): void {
    const text = this.#textOf(messageId);
    this.#happened({ type: 'described', messageId, text: stripVTControlCharacters(text) });
  }

  #textOf(messageId: number): string {
    const { describe } = this.#options;
    try {
      return this.#bus.use((bus) => describe(bus, messageId)) ?? 'It is not there any more.';
    } catch (error) {
      return messageOf(error);
    }
  }

  async #act(act: Act, messageId: number): Promise<void> {
    const notice = await this.#perform(act, messageId).catch(messageOf);
    this.#happened({ type: 'told', notice });
    // A connection is not told of its own changes.
    this.#bus.refresh();
  }

  async #perform(act: Act, messageId: number): Promise<string> {
    return this.#bus.use((bus) => perform(bus, act, messageId));
  }

  #draw(): void {
    const app = this.#app();
    const drawn = JSON.stringify(app.props.lines);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#ink.rerender(app);
  }

  #app() {
    const { file, clock, colours } = this.#options;
    const lines: readonly Line[] = view(this.#model, file, clock.wallUs());
    return (
      <App lines={lines} colours={colours} onKey={(key) => this.#happened({ type: 'key', key })} />
    );
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

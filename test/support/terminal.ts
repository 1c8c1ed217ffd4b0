/**
 * A real pseudo-terminal with a program in it: its screen can be read as text, keys pressed, its
 * size changed. Python has pseudo-terminals in its standard library, Node has none.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import xterm from '@xterm/headless';
import { onTestFailed, onTestFinished } from 'vitest';
import { plainEnvironment, type Surroundings } from './process.js';

const DRIVER = resolve(import.meta.dirname, 'terminal.py');

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export interface TerminalEnd {
  /** Exit code; negative: the signal that ended it. */
  readonly code: number;
  /** The terminal's settings (echo, line mode, …) are what they were before. */
  readonly same: boolean;
}

export const KEYS = {
  up: '\u001b[A',
  down: '\u001b[B',
  pageUp: '\u001b[5~',
  pageDown: '\u001b[6~',
  home: '\u001b[H',
  end: '\u001b[F',
  enter: '\r',
  escape: '\u001b',
  tab: '\t',
  backspace: '\u007f',
  ctrlC: '\u0003',
  ctrlZ: '\u001a',
} as const;

/** They decide about colours before what the terminal can does, see `getColorDepth` of Node's tty. */
const COLOUR_VARIABLES = ['CI', 'COLORTERM', 'FORCE_COLOR', 'NO_COLOR', 'NODE_DISABLE_COLORS'];

const LARGE = { columns: 80, rows: 24 };

export class Terminal {
  readonly ended: Promise<TerminalEnd>;
  readonly #screen: xterm.Terminal;
  readonly #driver: ChildProcess;
  #pid = 0;
  #over = false;
  #raw = '';
  /** Called at each change of the screen and at the end. */
  #heard = new Set<() => void>();

  constructor(command: readonly string[], around: Surroundings = {}, size: Size = LARGE) {
    const { columns, rows } = size;
    this.#screen = new xterm.Terminal({
      cols: columns,
      rows,
      scrollback: 10_000,
      allowProposedApi: true,
    });
    this.#driver = spawn('python3', [DRIVER, String(columns), String(rows), ...command], {
      cwd: around.cwd,
      env: { ...terminalEnvironment(), ...around.env },
      stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
    });
    const [, stdout, , told] = this.#driver.stdio as unknown as [
      Writable,
      Readable,
      null,
      Readable,
    ];
    stdout.on('data', (chunk: Buffer) => {
      this.#raw += chunk.toString('latin1');
      this.#screen.write(chunk, () => this.#tell());
    });
    // A terminal answers some of what is written to it.
    this.#screen.onData((text) => this.type(text));
    this.#driver.stdin?.on('error', () => undefined);
    this.ended = this.#follow(told, once(stdout, 'end'));
    onTestFailed(() => console.error(`The screen at the end:\n${this.text}`));
    onTestFinished(async () => {
      this.#driver.stdin?.end();
      await this.ended.catch(() => undefined);
      this.#screen.dispose();
    });
  }

  get pid(): number {
    return this.#pid;
  }

  /** What is on the screen, without spaces and lines that are empty at the end. */
  get text(): string {
    return this.#lines(this.#screen.buffer.active.viewportY).join('\n').trimEnd();
  }

  /** The same with all that has been scrolled away, and lines in one piece however wide. */
  get history(): string {
    const { active } = this.#screen.buffer;
    return this.#lines(0)
      .map((line, row) => (active.getLine(row)?.isWrapped === true ? line : `\n${line}`))
      .join('')
      .trim();
  }

  /** Everything the program wrote, escape sequences included, a character for each byte. */
  get raw(): string {
    return this.#raw;
  }

  /** Whether a program has taken the whole screen, to give it back later. */
  get isAlternate(): boolean {
    return this.#screen.buffer.active.type === 'alternate';
  }

  /** Presses keys, or types text, as one write. */
  type(keys: string): void {
    if (!this.#over) this.#driver.stdin?.write(`${JSON.stringify({ keys })}\n`);
  }

  resize({ columns, rows }: Size): void {
    this.#screen.resize(columns, rows);
    this.#driver.stdin?.write(`${JSON.stringify({ columns, rows })}\n`);
  }

  /** Resolves with what `look` makes of the screen once it is something. @throws when the program ends before */
  async until<T>(look: (terminal: this) => T | undefined | false): Promise<T> {
    for (;;) {
      const found = look(this);
      if (found !== undefined && found !== false) return found;
      if (this.#over) throw new Error(`ended before it showed what was looked for:\n${this.text}`);
      await new Promise<void>((resolve) => this.#heard.add(resolve));
    }
  }

  /** Resolves once the screen has the text. @throws when the program ends without it */
  shows(pattern: RegExp): Promise<RegExpExecArray> {
    return this.until(() => pattern.exec(this.text) ?? undefined);
  }

  #lines(from: number): string[] {
    const { active } = this.#screen.buffer;
    return Array.from(
      { length: active.length - from },
      (_, index) => active.getLine(from + index)?.translateToString(true) ?? '',
    );
  }

  async #follow(told: Readable, printed: Promise<unknown>): Promise<TerminalEnd> {
    let end: TerminalEnd | undefined;
    for await (const line of createInterface({ input: told })) {
      const news = JSON.parse(line) as { pid: number } | TerminalEnd;
      if ('pid' in news) this.#pid = news.pid;
      else end = news;
    }
    await printed;
    await new Promise<void>((resolve) => this.#screen.write('', resolve));
    this.#over = true;
    this.#tell();
    if (end === undefined) throw new Error('the pseudo-terminal broke');
    return end;
  }

  #tell(): void {
    const heard = [...this.#heard];
    this.#heard.clear();
    for (const tell of heard) tell();
  }
}

/** That of a person who sits there, also where the tests run with nobody there. */
function terminalEnvironment(): NodeJS.ProcessEnv {
  const others = Object.entries(plainEnvironment()).filter(
    ([name]) => !COLOUR_VARIABLES.includes(name),
  );
  return { ...Object.fromEntries(others), TERM: 'xterm-256color' };
}

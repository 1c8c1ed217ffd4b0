/**
 * The terminal while the view has it: frames are painted on the alternate screen, and whatever
 * comes, the terminal is given back as it was. Only rows that changed are written, so that it is
 * quick over a slow line.
 */
import { Writable } from 'node:stream';
import type { Size } from './model.js';

/** https://invisible-island.net/xterm/ctlseqs/ctlseqs.html */
const ESC = '\u001b';
/** The other screen, no cursor, and no line that goes on in the next row. */
const TAKE = `${ESC}[?1049h${ESC}[?25l${ESC}[?7l`;
const CLEAR = `${ESC}[2J`;
const GIVE_BACK = `${ESC}[?7h${ESC}[?25h${ESC}[0m${ESC}[?1049l`;
/** What is between them is shown at once, by terminals that know it. */
const BEGIN = `${ESC}[?2026h`;
const END = `${ESC}[?2026l`;

export class Screen extends Writable {
  readonly #terminal: NodeJS.WriteStream;
  #painted: string[] = [];
  #frame: string[] = [];
  #taken = false;

  constructor(terminal: NodeJS.WriteStream) {
    super({ decodeStrings: false });
    this.#terminal = terminal;
  }

  get size(): Size {
    return { columns: this.columns, rows: this.rows };
  }

  get columns(): number {
    return this.#terminal.columns || 80;
  }

  get rows(): number {
    return this.#terminal.rows || 24;
  }

  take(): void {
    this.#taken = true;
    this.#terminal.write(TAKE);
    this.repaint();
  }

  /** What is on the terminal is not what was painted any more. */
  repaint(): void {
    if (!this.#taken) return;
    this.#painted = [];
    this.#terminal.write(CLEAR);
    this.#paint();
  }

  giveBack(): void {
    if (!this.#taken) return;
    this.#taken = false;
    this.#terminal.write(GIVE_BACK);
  }

  /** What is written is one frame. */
  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    const frame = String(chunk);
    if (frame !== '') this.#frame = frame.split('\n');
    this.#paint();
    done();
  }

  #paint(): void {
    if (!this.#taken) return;
    const rows = Array.from({ length: this.rows }, (_, row) => this.#frame[row] ?? '');
    const changed = rows.flatMap((text, row) =>
      text === this.#painted[row] ? [] : [`${ESC}[${row + 1};1H${ESC}[2K${text}`],
    );
    this.#painted = rows;
    if (changed.length > 0) this.#terminal.write(BEGIN + changed.join('') + END);
  }
}

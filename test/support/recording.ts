/**
 * A page that is the recording of a terminal: its `console` blocks are typed into a real shell, in
 * a `text` block the keys it names are pressed, and what the terminal shows then is what stands there.
 */
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CLI, tempDir, until } from './process.js';
import { KEYS, Terminal } from './terminal.js';

const ROOT = resolve(import.meta.dirname, '../..');
const SIZE = { columns: 110, rows: 18 };
/** A screen that does not come to what it should be is compared as it is, in milliseconds. */
const LONGEST_MS = 20_000;

export interface Shown {
  readonly page: string;
  readonly now: string;
}

interface Ports {
  readonly bridge: number;
  readonly http: number;
}

export class Recording {
  readonly #home = tempDir();
  readonly #cwd = join(this.#home, 'shards');
  readonly #shell: Terminal;
  readonly #ports: Ports;

  constructor(ports: Ports) {
    this.#ports = ports;
    mkdirSync(this.#cwd);
    copyFileSync(
      join(ROOT, 'test/fixtures/SESSION-RESUME.md'),
      join(this.#cwd, 'SESSION-RESUME.md'),
    );
    const bin = join(this.#home, 'bin');
    const warmline = join(this.#home, 'lib/warmline');
    mkdirSync(bin);
    mkdirSync(dirname(warmline));
    symlinkSync(CLI, warmline);
    // The usual port may be taken here: what "init" writes into its file names another.
    writeFileSync(
      join(bin, 'warmline'),
      `#!/bin/bash
word=$1; shift
[ "$word" = init ] && set -- --port ${ports.bridge} "$@"
exec '${process.execPath}' '${warmline}' "$word" "$@"
`,
      { mode: 0o755 },
    );
    const rc = join(this.#home, 'rc');
    writeFileSync(rc, `PS1='$ '\nPATH='${bin}':$PATH\nbind 'set enable-bracketed-paste off'\n`);
    this.#shell = new Terminal(
      ['bash', '--noprofile', '--rcfile', rc],
      {
        cwd: this.#cwd,
        env: {
          HOME: this.#home,
          XDG_STATE_HOME: join(this.#home, '.local/state'),
          WARMLINE_HTTP_PORT: String(ports.http),
        },
      },
      SIZE,
    );
  }

  /** Plays a page. @returns what it says of each block, and what came of it now */
  async play(page: string): Promise<Shown[]> {
    const all: Shown[] = [];
    await this.#shell.until(() => this.#isPrompted());
    for (const [, fence = '', text = ''] of page.matchAll(FENCES)) {
      const [kind, ...keys] = fence.split(' ');
      if (kind === 'console') all.push({ page: text, now: await this.#type(text) });
      else if (kind === 'text') all.push({ page: text, now: await this.#press(keys, text) });
    }
    return all;
  }

  /** Ends what the page has left running. */
  async close(): Promise<void> {
    if (this.#shell.isAlternate) await this.#leave();
    this.#shell.type('warmline poll stop; kill %1; wait; exit\r');
    await this.#shell.ended;
  }

  async #type(text: string): Promise<string> {
    if (this.#shell.isAlternate) await this.#leave();
    const shown: string[] = [];
    for (const [, command = '', expected = ''] of text.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
      shown.push(`$ ${command}\n${await this.#command(command, expected)}`);
    }
    return shown.join('');
  }

  async #command(command: string, expected: string): Promise<string> {
    const before = this.#shell.history.length;
    this.#shell.type(`${command}\r`);
    await this.#shell.until(() => this.#shell.isAlternate || this.#shell.history.length > before);
    await this.#shell.until(() => this.#shell.isAlternate || this.#isPrompted());
    if (this.#shell.isAlternate) return await this.#screen(expected);
    const { history } = this.#shell;
    const output = history.slice(history.indexOf('\n', before) + 1).replace(/\$$/, '');
    if (command.endsWith('&')) await until(() => this.#log().includes('"event":"ready"'));
    return this.#here(output);
  }

  async #press(keys: readonly string[], expected: string): Promise<string> {
    for (const key of keys) this.#shell.type(KEYS[key as keyof typeof KEYS] ?? key);
    return await this.#screen(expected);
  }

  /** The screen once it is as expected, or as it is when it does not come to that. */
  async #screen(expected: string): Promise<string> {
    const seen = () => this.#here(`${this.#shell.text}\n`);
    const isOver = AbortSignal.timeout(LONGEST_MS);
    const wanted = steady(expected) || undefined;
    await until(() => steady(seen()) === wanted || isOver.aborted);
    return seen();
  }

  async #leave(): Promise<void> {
    this.#shell.type(KEYS.ctrlC);
    await this.#shell.until(() => this.#isPrompted());
  }

  #isPrompted(): boolean {
    return !this.#shell.isAlternate && /(^|\n)\$$/.test(this.#shell.history);
  }

  #log(): string {
    return readFileSync(join(this.#cwd, 'serve.log'), 'utf8');
  }

  /** As it would read on a machine of its own. */
  #here(text: string): string {
    return text
      .replaceAll(/ +$/gm, '')
      .replaceAll(this.#home, '/home/ada')
      .replaceAll(String(this.#ports.bridge), '9999')
      .replaceAll(String(this.#ports.http), '3010');
  }
}

const FENCES = /^```(.+)\n([\s\S]*?)^```$/gm;

/** The page with other contents of its blocks, in their order. */
export function rewrite(page: string, contents: readonly string[]): string {
  const left = [...contents];
  return page.replaceAll(FENCES, (block, fence: string) =>
    /^(console|text)\b/.test(fence) ? `\`\`\`${fence}\n${left.shift()}\`\`\`` : block,
  );
}

/** What is the same in every recording: no times, no process ids, no widths that depend on them. */
export function steady(text: string): string {
  return text
    .replaceAll(/conv_[0-9a-f]{16}/g, 'CONVERSATION')
    .replaceAll(/\b(\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(\.\d+)?Z?/g, 'TIME')
    .replaceAll(/\b\d\d:\d\d UTC/g, 'TIME')
    .replaceAll(/\b\d+(\.\d+)? (ms|s|min|h|d)( \d+ (s|min|h))?\b/g, 'SPAN')
    .replaceAll(/\b(pid|autopoll) \d+|(?<=^\[\d\] )\d+/gm, 'PROCESS')
    .replaceAll(/\breaper on time\b|\bno pass of the reaper yet\b/g, 'REAPER')
    .replaceAll(/(?<=bus\.db-)[0-9a-f]{16}/g, 'HASH')
    .replaceAll(/\b[\d.]+ a minute\b/g, 'RATE')
    .replaceAll(/ +/g, ' ')
    .replaceAll(/ $/gm, '')
    .trimEnd();
}

/** The examples of the documentation, run as a reader would: in order, in one directory. */
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect } from 'vitest';
import { type Ended, Program, tempDir } from './process.js';

const ROOT = resolve(import.meta.dirname, '../..');

interface Block {
  readonly language: string;
  /** The word behind the language: `keep`, `skip`, or none. */
  readonly mark: string;
  readonly code: string;
}

/** What stands in the fences of a page. */
export function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/^```(\w+)(?: (\w+))?\n([\s\S]*?)^```/gm)].map(
    ([, language = '', mark = '', code = '']) => ({ language, mark, code }),
  );
}

/** The commands of a transcript, each with what follows it. */
export function stepsOf(transcript: string): { command: string; shown: string }[] {
  return transcript
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...shown] = part.split('\n');
      return { command, shown: shown.join('\n') };
    });
}

/** Matches what is shown; `…` stands for the rest of a line, and on a line of its own for any lines. */
export function showing(shown: string): RegExp {
  const lines = shown.trimEnd().split('\n');
  const patterns = lines.map((line) =>
    line === '…' ? '(?:[^\\n]*\\n)*?' : `${line.split('…').map(escaped).join('[^\\n]*')}\\n`,
  );
  return new RegExp(`^${patterns.join('')}$`);
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** A directory with a document, and `warmline` on the path, with addresses of its own. */
export class Desk {
  readonly cwd = tempDir();
  readonly #env: Readonly<Record<string, string>>;
  readonly #ports: Readonly<Record<string, string>>;

  /** @param ports free ones, for the bridge and the HTTP door */
  constructor(ports: { readonly bridge: number; readonly http: number }) {
    this.#ports = { 9999: String(ports.bridge), 3010: String(ports.http) };
    const home = tempDir();
    const prefix = join(home, 'prefix');
    // To install by the words of a page fetches nothing and builds nothing here.
    const npm = {
      npm_config_prefix: prefix,
      npm_config_offline: 'true',
      npm_config_ignore_scripts: 'true',
    };
    mkdirSync(join(prefix, 'lib'), { recursive: true });
    this.#env = {
      ...npm,
      HOME: home,
      XDG_STATE_HOME: join(home, 'state'),
      PATH: `${join(prefix, 'bin')}:${process.env.PATH}`,
      PYTHONPATH: join(ROOT, 'clients/python'),
      WARMLINE_HTTP_PORT: this.#ports[3010] ?? '',
    };
    copyFileSync(
      join(ROOT, 'test/fixtures/SESSION-RESUME.md'),
      join(this.cwd, 'SESSION-RESUME.md'),
    );
    mkdirSync(join(this.cwd, 'node_modules'));
    symlinkSync(ROOT, join(this.cwd, 'node_modules/warmline'));
  }

  /**
   * Runs every block of a page that a reader would run, or those in some languages.
   * @returns what its programs print, by language
   */
  async follow(page: string, only?: readonly string[]): Promise<Readonly<Record<string, string>>> {
    const said: Record<string, string> = {};
    for (const block of blocksOf(page)) {
      if (block.mark === 'skip' || only?.includes(block.language) === false) continue;
      if (block.mark === 'keep') await this.#keep(block.code);
      else if (block.language === 'sh')
        await this.#succeed(block.code, 'bash', '-e', '-c', this.#here(block.code));
      else if (block.language === 'console') await this.#compare(block.code);
      else if (block.language in PROGRAMS) said[block.language] = await this.#program(block);
    }
    return said;
  }

  async run(command: string): Promise<Ended> {
    return await this.#start('bash', '-c', this.#here(command)).ended;
  }

  /** The page speaks of the usual ports, and of the directory it is in. */
  #here(text: string): string {
    return text
      .replaceAll(/\b(9999|3010)\b/g, (port) => this.#ports[port] ?? port)
      .replaceAll('warmline init', `warmline init --port ${this.#ports[9999]}`)
      .replaceAll('npm install --global .', `npm install --global ${ROOT}`);
  }

  #start(command: string, ...words: readonly string[]): Program {
    return new Program(command, words, { cwd: this.cwd, env: this.#env });
  }

  async #keep(code: string): Promise<void> {
    await this.#start('bash', '-c', `exec ${this.#here(code)}`).ready();
  }

  async #succeed(example: string, command: string, ...words: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.#start(command, ...words).ended;
    const complaint = code === 0 ? '' : stderr;
    expect({ example, code, complaint }).toEqual({ example, code: 0, complaint: '' });
    return stdout;
  }

  async #compare(transcript: string): Promise<void> {
    for (const { command, shown } of stepsOf(transcript)) {
      const stdout = await this.#succeed(command, 'bash', '-c', this.#here(command));
      expect(`${stdout.trimEnd()}\n`, command).toMatch(showing(this.#here(shown)));
    }
  }

  async #program({ language, code }: Block): Promise<string> {
    const { command, file } = PROGRAMS[language] as (typeof PROGRAMS)[string];
    writeFileSync(join(this.cwd, file), this.#here(code));
    return await this.#succeed(code, ...command, file);
  }
}

const PROGRAMS: Readonly<Record<string, { command: [string, ...string[]]; file: string }>> = {
  python: { command: ['python3', '-W', 'error'], file: 'example.py' },
  ts: { command: [process.execPath], file: 'example.mjs' },
};

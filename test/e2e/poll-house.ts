/** A bus with a daemon, in a house of its own: nothing of it is left when the test ends. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Place, placeOf } from '../../clients/daemon/index.js';
import { inspectBus, openSqliteBus } from '../../src/bus/index.js';
import {
  type Ended,
  Program,
  processesNaming,
  start,
  tempDir,
  until,
  warmline,
} from '../support/process.js';

export class PollHouse {
  readonly dir = tempDir();
  readonly db = join(this.dir, 'bus.db');
  readonly state = join(this.dir, 'state');
  readonly around = { cwd: this.dir, env: { XDG_STATE_HOME: this.state } };

  constructor() {
    openSqliteBus({ file: this.db, create: true }).close();
    writeFileSync(join(this.dir, 'GUIDE.md'), '# Guide\n\nThe kettle stands on the shelf.\n');
    // Every process of the house has its directory on the command line.
    onTestFinished(async () => {
      for (const pid of this.running()) process.kill(pid, 'SIGKILL');
      await until(() => this.running().length === 0);
    });
  }

  get place(): Place {
    return placeOf(this.db, { XDG_STATE_HOME: this.state });
  }

  /** `warmline poll …` on this bus. */
  poll(name: string, ...words: string[]): Promise<Ended> {
    return warmline(['poll', name, '--db', this.db, ...words], this.around);
  }

  /** What a command prints as JSON. */
  async json(name: string, ...words: string[]): Promise<Record<string, unknown>> {
    const { stdout, stderr } = await this.poll(name, '--json', ...words);
    if (stdout === '') throw new Error(stderr);
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /** Starts the daemon. @returns its pid */
  async start(...words: string[]): Promise<number> {
    return Number((await this.json('start', ...words)).pid);
  }

  /** @returns the flags that lead to it */
  async bridge({ port = '0', engine = 'fake' } = {}): Promise<string[]> {
    const words = ['serve', '--port', port, '--engine', engine, '--context-root', this.dir];
    const program = start([...words, '--log-level', 'warn'], this.around);
    return ['--port', String((await program.ready()).port)];
  }

  /** Puts a question on the bus. @returns its message id */
  async ask(question: string, ...words: string[]): Promise<number> {
    const { stdout } = await warmline(
      ['send', question, '--db', this.db, '--json', ...words],
      this.around,
    );
    return Number(JSON.parse(stdout).message_id);
  }

  answered(id: number): Promise<string> {
    return until(() => {
      const bus = openSqliteBus({ file: this.db });
      const found = bus.answerTo(id)?.message;
      bus.close();
      return found;
    });
  }

  /** Until so many questions are being answered. */
  busy(count = 1): Promise<boolean> {
    return until(() => inspectBus(this.db, 'b').leased === count);
  }

  log(): string {
    return existsSync(this.place.log) ? readFileSync(this.place.log, 'utf8') : '';
  }

  /** Processes that have the directory of this house on their command line. */
  running(): number[] {
    return processesNaming(this.dir);
  }
}

/** A process that has nothing to do with any daemon. */
export function stranger(): Program {
  return new Program(process.execPath, ['-e', 'setInterval(() => {}, 1e9)']);
}

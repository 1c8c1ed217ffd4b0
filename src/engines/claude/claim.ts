/**
 * Which of several servers keeps what lies in a directory: the one whose claim is there.
 *
 * A claim is an empty file named after its process. Each server writes its own before it looks for
 * others, so of two that come at once not both go on; and only claims of processes that are gone are
 * removed by others, which no later process can have written.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CLAIM = /^owner-(\d{1,10})-(\d{1,20})-[\da-f]{8}$/;

type Claimed = { readonly held: true } | { readonly held: false; readonly by: number };

export class Claim {
  readonly #directory: string;
  readonly #name = `owner-${process.pid}-${startOf(process.pid)}-${randomUUID().slice(0, 8)}`;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Takes the directory, if no other server that runs has it. @throws Error of the file system */
  take(): Claimed {
    const own = join(this.#directory, this.#name);
    if (existsSync(own)) return { held: true };
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    writeFileSync(own, '', { flag: 'wx', mode: 0o600 });
    const by = this.#others();
    if (by === undefined) return { held: true };
    rmSync(own, { force: true });
    return { held: false, by };
  }

  drop(): void {
    rmSync(join(this.#directory, this.#name), { force: true });
  }

  /** The process of another claim; those of processes that are gone are cleared away. */
  #others(): number | undefined {
    let other: number | undefined;
    for (const name of readdirSync(this.#directory)) {
      const [, pid, start] = CLAIM.exec(name) ?? [];
      if (pid === undefined || name === this.#name) continue;
      if (startOf(Number(pid)) === start) other = Number(pid);
      else rmSync(join(this.#directory, name), { force: true });
    }
    return other;
  }
}

/**
 * When a process started, in clock ticks since the machine did (field 22 of proc(5)); `0` for one
 * that runs where there is no /proc, undefined for one that does not run.
 */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command name before the last bracket may hold spaces and brackets.
    const [state = 'X', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return 'ZX'.includes(state) ? undefined : fields[18];
  } catch {
    return existsSync('/proc/self/stat') || !answers(pid) ? undefined : '0';
  }
}

function answers(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Who belongs to a tree of processes, and telling all of them to end. */
import { setImmediate } from 'node:timers/promises';
import {
  environmentHas,
  HAS_PROC,
  type Identity,
  isRunning,
  listProcesses,
  type Stat,
} from './proc.js';

/** Processes that are told to end before the loop goes round. */
const AT_ONCE = 64;

export interface Roster {
  /** Whether any process of the tree runs; looks further than those known so far. */
  anyRunning(): Promise<boolean>;
  /** Sends every process of the tree that runs a signal; SIGTERM only once to each. */
  signal(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** @param mark the variable, `NAME=value`, that every process of the tree was started with */
export function createRoster(root: Identity, mark: string): Roster {
  return HAS_PROC ? new ProcRoster(root, mark) : new GroupRoster(root.pid);
}

class ProcRoster implements Roster {
  readonly #root: Identity;
  readonly #mark: string;
  /** Found so far, by number: when each started. */
  readonly #known = new Map<number, number>();
  readonly #asked = new Set<string>();
  /** Processes of another user, which we could only wait for. */
  readonly #beyondReach = new Set<string>();

  constructor(root: Identity, mark: string) {
    this.#root = root;
    this.#mark = mark;
    this.#known.set(root.pid, root.startTicks);
  }

  async anyRunning(): Promise<boolean> {
    if (this.#hasRunning()) return true;
    await this.#look();
    return this.#hasRunning();
  }

  async signal(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    // Before the first is told: once its parent has ended, a process is harder to find.
    if (signal === 'SIGKILL' || this.#asked.size === 0) await this.#look();
    for (const [at, process] of this.#members().entries()) {
      // A family may be large: others get their turn meanwhile. `send` looks whether each still runs.
      if (at % AT_ONCE === AT_ONCE - 1) await setImmediate();
      const name = `${process.pid}/${process.startTicks}`;
      if (this.#beyondReach.has(name) || (signal === 'SIGTERM' && this.#asked.has(name))) continue;
      this.#asked.add(name);
      if (!send(process, signal)) this.#beyondReach.add(name);
    }
  }

  /** Ends at the first that runs: a family may be large, and is looked at again and again. */
  #hasRunning(): boolean {
    return this.#members().some((process) => this.#isOurs(process));
  }

  #members(): Identity[] {
    return [...this.#known].map(([pid, startTicks]) => ({ pid, startTicks }));
  }

  #isOurs(process: Identity): boolean {
    return isRunning(process) && !this.#beyondReach.has(`${process.pid}/${process.startTicks}`);
  }

  /** Finds all members: by their parents, their group or session, or the mark they carry. */
  async #look(): Promise<void> {
    const all = (await listProcesses()).filter((one) => one.startTicks >= this.#root.startTicks);
    const holder = all.find(({ pid }) => pid === this.#root.pid);
    // The number of our first process may be somebody else's by now, and a group's of that name.
    const isNumberOurs = holder === undefined || holder.startTicks === this.#root.startTicks;
    const isKnown = (one: Stat) =>
      this.#known.get(one.pid) === one.startTicks ||
      (isNumberOurs && [one.group, one.session].includes(this.#root.pid));
    const members = all.filter(isKnown);
    const strangers = all.filter((one) => !isKnown(one));
    const marked = await Promise.all(strangers.map(({ pid }) => environmentHas(pid, this.#mark)));
    members.push(...strangers.filter((_, at) => marked[at]));
    for (const one of withDescendants(members, strangers)) this.#known.set(one.pid, one.startTicks);
  }
}

/** The members and, of the strangers, those that descend from one. */
function withDescendants(members: readonly Stat[], strangers: readonly Stat[]): readonly Stat[] {
  const found = new Map(members.map((one) => [one.pid, one]));
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const one of strangers) if (found.has(one.parent)) found.set(one.pid, one);
  }
  return [...found.values()];
}

/** Without /proc: the group the first process leads; what left it is not found. */
export class GroupRoster implements Roster {
  readonly #group: number;
  #isAsked = false;

  constructor(group: number) {
    this.#group = group;
  }

  async anyRunning(): Promise<boolean> {
    return this.#send(0);
  }

  async signal(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (signal === 'SIGTERM' && this.#isAsked) return;
    this.#isAsked = true;
    this.#send(signal);
    if (signal === 'SIGTERM') this.#send('SIGCONT');
  }

  #send(signal: NodeJS.Signals | 0): boolean {
    try {
      process.kill(-this.#group, signal);
      return true;
    } catch {
      return false; // no such group; on macOS also: nothing but zombies in it
    }
  }
}

/** @returns false when we may not signal it */
function send(to: Identity, signal: NodeJS.Signals): boolean {
  if (!isRunning(to)) return true;
  try {
    process.kill(to.pid, signal);
    // A stopped process acts on SIGTERM only when it goes on.
    if (signal === 'SIGTERM') process.kill(to.pid, 'SIGCONT');
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPERM';
  }
}

/** A bus that several processes of a simulation share, on either adapter. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Bus,
  createMemoryBus,
  MemoryBusFile,
  openSqliteBus,
  type SqliteBusOptions,
} from '../../src/bus/index.js';
import type { Clock } from '../../src/clock.js';
import type { AttemptFact, BusFacts } from '../checker/facts.js';
import { readBus } from '../checker/read.js';

type Owner = NonNullable<SqliteBusOptions['owner']>;

export interface World {
  /** A process joins; each has an owner of its own. */
  join(owner: Owner): Bus;
  /** Its process is provably gone from now on: another boot than the one that runs. */
  bury(owner: Owner): void;
  facts(): BusFacts;
  /** Terminal rows that were changed afterwards; none may be. */
  readonly rewritten: readonly number[];
  close(): Promise<void>;
}

export type Adapter = 'memory' | 'sqlite';

export function createWorld(adapter: Adapter, clock: Clock): World {
  return adapter === 'memory' ? new MemoryWorld(clock) : new SqliteWorld(clock);
}

const GONE = 'another boot';

function ownerText({ boot, namespace, pid, start }: Owner): string {
  return [boot, namespace, pid, start].join('/');
}

class MemoryWorld implements World {
  readonly rewritten: number[] = [];
  readonly #clock: Clock;
  readonly #file = new MemoryBusFile();

  constructor(clock: Clock) {
    this.#clock = clock;
    const { done } = this.#file;
    const set = done.set.bind(done);
    done.set = (id, row) => {
      if (done.has(id)) this.rewritten.push(id);
      return set(id, row);
    };
  }

  join(owner: Owner): Bus {
    return createMemoryBus({ file: this.#file, clock: this.#clock, owner });
  }

  bury(owner: Owner): void {
    for (const lane of this.#file.lanes.values()) {
      if (lane.state.at !== 'leased' || lane.state.owner !== ownerText(owner)) continue;
      lane.state = { ...lane.state, owner: ownerText({ ...owner, boot: GONE }) };
    }
  }

  facts(): BusFacts {
    const rows = [...this.#file.messages].map(([id, row]) => ({ id, ...row }));
    const attempts = [...this.#file.attempts].flatMap(([question, ended]) =>
      ended.map((attempt): AttemptFact => {
        const { claimedAtUs: claimedUs, finishedAtUs: finishedUs, seenAtUs: seenUs } = attempt;
        const { startedAtUs: startedUs = null, firstByteAtUs: firstByteUs = null } = attempt;
        const conversation = String(this.#file.messages.get(question)?.conversationId);
        return {
          ...{ question, conversation, attempt: attempt.attempt, outcome: attempt.outcome },
          ...{ seenUs, claimedUs, startedUs, firstByteUs, finishedUs },
        };
      }),
    );
    return {
      questions: rows
        .filter(({ to }) => to === 'b')
        .map(({ id, conversationId, message, read }) => ({
          ...{ id, read, conversation: String(conversationId), message: String(message) },
        })),
      answers: rows
        .filter(({ from }) => from === 'b')
        .map(({ id, conversationId, message, metadata }) => ({
          id,
          conversation: String(conversationId),
          question: Number(JSON.parse(String(metadata)).in_reply_to),
          answer: String(JSON.parse(String(message)).answer),
        })),
      done: [...this.#file.done].map(([question, { outcome, answerId }]) => ({
        ...{ question, outcome, answer: answerId ?? null },
        attempt: this.#file.attempts.get(question)?.at(-1)?.attempt ?? 0,
      })),
      attempts,
    };
  }

  async close(): Promise<void> {}
}

class SqliteWorld implements World {
  /** A trigger refuses to rewrite them; what tried would have failed. */
  readonly rewritten: readonly number[] = [];
  readonly #clock: Clock;
  readonly #dir = mkdtempSync(join(tmpdir(), 'warmline-simulation-'));
  readonly #file = join(this.#dir, 'bus.db');
  readonly #buses: Bus[] = [];
  readonly #keeper;

  constructor(clock: Clock) {
    this.#clock = clock;
    // Nobody here loses power: without the wait for the disk there are many more runs.
    this.#keeper = openSqliteBus({ file: this.#file, create: true, clock });
  }

  join(owner: Owner): Bus {
    const bus = openSqliteBus({ file: this.#file, clock: this.#clock, owner });
    this.#buses.push(bus);
    return bus;
  }

  bury(owner: Owner): void {
    this.#keeper.read((db) =>
      db
        .prepare('UPDATE warmline_lanes SET lease_owner = ? WHERE lease_owner = ?')
        .run(ownerText({ ...owner, boot: GONE }), ownerText(owner)),
    );
  }

  facts(): BusFacts {
    return readBus(this.#file);
  }

  async close(): Promise<void> {
    await Promise.all([this.#keeper, ...this.#buses].map((bus) => bus.close()));
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

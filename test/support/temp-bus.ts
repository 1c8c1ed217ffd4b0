/** Buses on real files in directories that are gone when the test ends. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import {
  type Answer,
  naiveUtc,
  openSqliteBus,
  type SqliteBus,
  type SqliteBusOptions,
} from '../../src/bus/index.js';
import { type Clock, systemClock } from '../../src/clock.js';

/** A directory that is gone, with what is in it, when the test ends. */
export function tempDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'warmline-bus-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A row of `messages` as any program may write it; columns may hold anything. */
export interface RawRow {
  readonly conversationId: unknown;
  readonly from?: unknown;
  readonly to?: unknown;
  readonly message: unknown;
  readonly metadata?: unknown;
  readonly read?: unknown;
}

export interface StoredRow {
  readonly id: number;
  readonly conversation_id: string;
  readonly from_session: string;
  readonly to_session: string;
  readonly message: string;
  readonly metadata: string | null;
  readonly timestamp: string;
  readonly read: number;
}

export const QUESTION_METADATA = '{"action_type": "question"}';

let turnMs: number | undefined;

/**
 * Stands still from one turn of the event loop to the next. What a bus takes up in one transaction is
 * bounded by time, and how busy the machine is must not decide what a test finds.
 */
const calmClock: Clock = {
  monotonicMs: () => {
    if (turnMs !== undefined) return turnMs;
    setImmediate(() => {
      turnMs = undefined;
    });
    turnMs = systemClock.monotonicMs();
    return turnMs;
  },
  wallUs: systemClock.wallUs,
};

export class TempBus {
  readonly dir = tempDir();
  readonly file = join(this.dir, 'bus.db');
  /** The connection of another program on the bus. */
  readonly peer: Database.Database;
  readonly #clock: Clock;
  readonly #buses: SqliteBus[] = [];

  /** @param clock stamps the rows that other programs write */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
    openSqliteBus({ file: this.file, create: true }).close();
    this.peer = new Database(this.file);
    // As Python's sqlite3 has it.
    this.peer.pragma('foreign_keys = OFF');
    onTestFinished(async () => {
      for (const bus of this.#buses) await bus.close();
      this.peer.close();
    });
  }

  /** Joins the bus; what joined leaves when the test ends. */
  open(options: Omit<SqliteBusOptions, 'file'> = {}): SqliteBus {
    const bus = openSqliteBus({ file: this.file, clock: calmClock, ...options });
    this.#buses.push(bus);
    return bus;
  }

  /** @param expires as the column holds it; in an hour when absent */
  addConversation(expires?: string): string {
    const id = `conv_${randomBytes(8).toString('hex')}`;
    const nowUs = this.#clock.wallUs();
    this.peer
      .prepare(`INSERT INTO conversations VALUES (?, 'asker', 'shard', 'x', 'y', ?, ?)`)
      .run(id, naiveUtc(nowUs), expires ?? naiveUtc(nowUs + 3600_000_000));
    return id;
  }

  insert(row: RawRow): number {
    const { conversationId, from = 'a', to = 'b', message, metadata = null, read = 0 } = row;
    const now = naiveUtc(this.#clock.wallUs());
    const { lastInsertRowid } = this.peer
      .prepare(
        `INSERT INTO messages
           (conversation_id, from_session, to_session, message, metadata, timestamp, read)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(conversationId, from, to, message, metadata, now, read);
    return Number(lastInsertRowid);
  }

  ask(conversationId: string, question: string): number {
    return this.insert({ conversationId, message: query(question), metadata: QUESTION_METADATA });
  }

  /** Many questions in one transaction, spread over the conversations. */
  askMany(count: number, conversations: readonly string[]): number[] {
    return this.peer.transaction(() =>
      Array.from({ length: count }, (_, index) =>
        this.ask(conversations[index % conversations.length] ?? '', `question ${index}`),
      ),
    )();
  }

  /** From now on the owner of the bus lets nobody change this row. */
  refuse(questionId: number): void {
    this.peer.exec(
      `CREATE TRIGGER owner_rule BEFORE UPDATE ON messages WHEN old.id = ${questionId}
       BEGIN SELECT raise(ABORT, 'not this one'); END`,
    );
  }

  rows(): StoredRow[] {
    return this.peer.prepare('SELECT * FROM messages ORDER BY id').all() as StoredRow[];
  }

  answersTo(questionId: number): StoredRow[] {
    return this.rows().filter((row) => inReplyTo(row.metadata) === questionId);
  }
}

/** The question a row answers, by its metadata; undefined for whatever else is in there. */
export function inReplyTo(metadata: unknown): number | undefined {
  try {
    return JSON.parse(String(metadata))?.in_reply_to;
  } catch {
    return undefined;
  }
}

export function query(question: string, more: Record<string, unknown> = {}): string {
  return JSON.stringify({ type: 'query', query_id: 'q_1', question, ...more });
}

export function answer(text = 'an answer', more: Partial<Answer> = {}): Answer {
  return {
    answer: text,
    sources: ['GUIDE.md:1-3'],
    shardId: 'shard',
    llmType: 'fake',
    responseTimeSec: 0.25,
    ...more,
  };
}

/** Time stands still until the test moves it. */
export class TestClock implements Clock {
  #monotonicMs = 1000;
  #wallUs = Date.UTC(2026, 10, 20, 23) * 1000;

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  wallUs(): number {
    return this.#wallUs;
  }

  advance(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallUs += ms * 1000;
  }

  /** Somebody sets the wall clock. */
  step(ms: number): void {
    this.#wallUs += ms * 1000;
  }
}

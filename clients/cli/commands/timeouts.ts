import {
  changeTimeouts,
  DAY_US,
  type Latency,
  latencySelect,
  planApply,
  type Recommendation,
  readTimeouts,
  recommend,
  type SqliteBus,
} from '../../../src/bus/index.js';
import { systemClock } from '../../../src/clock.js';
import type { Settings } from '../../../src/config/index.js';
import { withBus } from '../bus-file.js';
import { complain, EXIT, UsageError } from '../failure.js';
import type { Words } from '../options.js';
import { duration, printableLine, printJson, printText } from '../output.js';
import { rowsOf } from '../report.js';

interface TimeoutWords {
  readonly conversation?: string;
  readonly engine?: string;
  readonly apply?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** The times of so many days are looked at. */
const DAYS = 7;
const MAX_TIMEOUT_MS = 86_400_000;

export async function timeouts(words: Words, action?: string, value?: string): Promise<number> {
  const given = words as TimeoutWords;
  refuseMixtures(given, action);
  return withBus(words, async (bus, settings) => {
    if (action === 'set') return await set(bus, settings, given, value);
    const all = recommendations(bus, settings);
    return given.apply === true ? await apply(bus, settings, all, given) : list(all, given);
  });
}

function refuseMixtures({ conversation, engine, apply, yes }: TimeoutWords, action?: string): void {
  if (action !== undefined && action !== 'set') {
    throw new UsageError(`"${action}" is nothing to do with time-outs; it must be set`);
  }
  if (action === 'set' && apply === true) {
    throw new UsageError('set and --apply are two ways to change time-outs; give one of them');
  }
  if (action === undefined && (conversation !== undefined || engine !== undefined)) {
    throw new UsageError('--conversation and --engine say what "timeouts set" changes');
  }
  if (yes === true && apply !== true) throw new UsageError('--yes goes with --apply');
}

async function set(
  bus: SqliteBus,
  settings: Settings,
  given: TimeoutWords,
  value: string | undefined,
): Promise<number> {
  const { conversation: conversationId = '', engine = '', json } = given;
  const timeoutMs = parseTimeout(value);
  if (conversationId !== '') requireConversation(bus, conversationId);
  if (timeoutMs !== undefined && !isKnown(bus, settings, engine))
    complain(new Error(strange(engine)));
  const changed = await changeTimeouts(bus, [{ conversationId, engine, timeoutMs }], 'set');
  const where = scope(conversationId, engine);
  if (json === true) {
    printJson({ conversation_id: conversationId, engine, timeout_ms: timeoutMs ?? null });
  } else if (timeoutMs === undefined) {
    const had = changed === 0 ? 'there was no time-out' : 'no time-out of its own any more';
    printText(`${had}: ${where}`);
  } else printText(`a turn may take ${duration(timeoutMs)}: ${where}`);
  return EXIT.ok;
}

/** Whether an engine is one of the settings here, or has tried a question of this bus. */
function isKnown(bus: SqliteBus, { engines }: Settings, engine: string): boolean {
  if (engine === '' || engines.some(({ name }) => name === engine)) return true;
  const tried = `SELECT 1 FROM warmline_daily WHERE session = :session AND engine = :engine
                 UNION ALL SELECT 1 FROM warmline_done WHERE session = :session AND engine = :engine
                 LIMIT 1`;
  const { session } = bus;
  return bus.read((db) => db.prepare(tried).get({ session, engine }) !== undefined);
}

function strange(engine: string): string {
  return `no engine ${printableLine(engine)} is configured here, and none has tried a question of this bus; the time-out is kept for when one does: check --engine`;
}

/** @throws UsageError */
function parseTimeout(value: string | undefined): number | undefined {
  if (value === 'default') return undefined;
  const timeoutMs = /^[1-9]\d{0,8}$/.test(value ?? '') ? Number(value) : Number.NaN;
  if (timeoutMs <= MAX_TIMEOUT_MS) return timeoutMs;
  throw new UsageError(
    `a time-out must be a whole number of milliseconds from 1 to ${MAX_TIMEOUT_MS}, or default: warmline timeouts set 60000`,
  );
}

function requireConversation(bus: SqliteBus, id: string): void {
  const known = bus.read((db) => db.prepare('SELECT 1 FROM conversations WHERE id = ?').get(id));
  if (known === undefined) throw new UsageError(`there is no conversation ${id} on this bus`);
}

function recommendations(bus: SqliteBus, { turns }: Settings): Recommendation[] {
  const nowUs = systemClock.wallUs();
  const { sql, values } = latencySelect(bus.session, nowUs - DAYS * DAY_US, nowUs);
  return bus.read((db) => {
    const latencies = db.prepare(sql).all(values) as Latency[];
    return recommend(latencies, readTimeouts(db, bus.session), turns.turnTimeoutMs);
  });
}

function list(all: readonly Recommendation[], { json }: TimeoutWords): number {
  if (json === true) printJson({ days: DAYS, timeouts: all.map(toWire) });
  else if (all.length === 0) printText(`no turn ended in the last ${DAYS} days`);
  else printText(rowsOf(all.map((each) => forPeople(toWire(each)))));
  return EXIT.ok;
}

async function apply(
  bus: SqliteBus,
  { autopoll }: Settings,
  all: readonly Recommendation[],
  { yes = false, json }: TimeoutWords,
): Promise<number> {
  const { adaptiveFloorMs: floorMs, adaptiveCeilingMs: ceilingMs } = autopoll;
  const plan = planApply(all, { floorMs, ceilingMs });
  if (yes) await changeTimeouts(bus, plan, 'set');
  const changes = plan.map(({ conversationId, engine, currentMs, timeoutMs, verdict }) => ({
    conversation_id: conversationId,
    engine,
    current_ms: currentMs,
    timeout_ms: timeoutMs,
    verdict,
  }));
  if (json === true) printJson({ applied: yes, changes });
  else if (changes.length === 0) printText('nothing to change');
  else {
    printText(rowsOf(changes.map(forPeople)));
    printText(yes ? '\nchanged' : '\nnothing was changed; --apply --yes does it');
  }
  return EXIT.ok;
}

function toWire(each: Recommendation) {
  return {
    conversation_id: each.conversationId,
    engine: each.engine,
    samples: each.samples,
    p50_ms: each.p50Ms,
    p95_ms: each.p95Ms,
    p99_ms: each.p99Ms,
    max_ms: each.maxMs,
    current_ms: each.currentMs,
    source: each.source,
    suggested_ms: each.suggestedMs ?? null,
    verdict: each.verdict,
  };
}

function forPeople<T extends { conversation_id: string; engine: string }>(row: T): T {
  const { conversation_id, engine } = row;
  return { ...row, conversation_id: conversation_id || '(all)', engine: engine || '(all)' };
}

function scope(conversationId: string, engine: string): string {
  const conversation = conversationId === '' ? 'every conversation' : conversationId;
  return `${conversation}, ${engine === '' ? 'every engine' : engine}`;
}

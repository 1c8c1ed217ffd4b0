/**
 * One run: a bus, some processes, somebody who asks, and everything that goes wrong, all of it
 * decided by one seed. Afterwards the invariants are looked at.
 */
import { type Bus, DEFAULT_RETRY } from '../../src/bus/index.js';
import { check } from '../checker/check.js';
import type { BusFacts } from '../checker/facts.js';
import { generator, pick, whole } from '../random.js';
import { type Death, Ledger } from './ledger.js';
import { Timeline } from './timeline.js';
import { Worker, type WorkerSettings } from './worker.js';
import { type Adapter, createWorld, type World } from './world.js';

export interface RunOptions {
  readonly seed: number;
  readonly adapter: Adapter;
  /** Puts something between the workers and the bus, for tests that must see it found out. */
  readonly through?: ((bus: Bus, world: World) => Bus) | undefined;
}

export interface RunResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly questions: number;
  readonly deaths: number;
  /** Writes refused because their lease was lost: the races that were played. */
  readonly refused: number;
  readonly steps: number;
  /** How much virtual time passed, in milliseconds. */
  readonly virtualMs: number;
}

const LEASE_MS = 30_000;
const SETTINGS: WorkerSettings = {
  concurrency: 3,
  leaseMs: LEASE_MS,
  renewEveryMs: 10_000,
  reapEveryMs: 5_000,
  idleGapMs: 60_000,
  retry: DEFAULT_RETRY,
};
/** Things go wrong for so long; then everything that is left comes to its end. */
const TROUBLE_MS = 180_000;
/** Whatever is not done by then, with the time that the clock was set back, never will be. */
const PATIENCE_MS = 6 * 3600_000;
/** Deaths are counted on a grid of time (see `timeline.ts`). */
const GRID_US = 100_000;
const MONTH_MS = 30 * 24 * 3600_000;

export async function simulate(options: RunOptions): Promise<RunResult> {
  const random = generator(options.seed);
  const timeline = new Timeline(random);
  const world = createWorld(options.adapter, timeline);
  const looker = world.join(owner(0));
  const ledger = new Ledger(looker);
  try {
    const run = new Run({ random, timeline, world, looker, ledger, options });
    await run.begin();
    while (await timeline.next()) {
      if (run.isOver()) break;
      if (timeline.monotonicMs() > PATIENCE_MS + timeline.setBackMs) {
        ledger.violations.push('the questions do not come to an end');
        break;
      }
    }
    const facts = world.facts();
    return {
      seed: options.seed,
      violations: [...ledger.violations, ...broken({ facts, ledger, timeline, world, looker })],
      questions: facts.questions.length,
      deaths: ledger.deaths.length,
      refused: ledger.refused,
      steps: timeline.steps,
      virtualMs: timeline.monotonicMs(),
    };
  } finally {
    await world.close();
  }
}

/** All of one boot, each in a pid namespace of its own: nobody can prove that another is gone. */
function owner(number: number) {
  return { boot: 'this boot', namespace: String(number), pid: 1, start: '1' };
}

interface RunParts {
  readonly random: () => number;
  readonly timeline: Timeline;
  readonly world: World;
  readonly looker: Bus;
  readonly ledger: Ledger;
  readonly options: RunOptions;
}

class Run {
  readonly #parts: RunParts;
  readonly #asked: number[] = [];
  #conversations: string[] = [];
  #unasked = 0;
  #owners = 0;
  /** One that never dies and never stops: with it, what the dead leave is soon found. */
  #isSteady = false;

  constructor(parts: RunParts) {
    this.#parts = parts;
  }

  async begin(): Promise<void> {
    const { random, timeline, looker } = this.#parts;
    for (let left = whole(random, 1, 4); left > 0; left -= 1) {
      const roles = { roleA: 'asker', roleB: 'shard', lifetimeMs: MONTH_MS };
      this.#conversations.push(await looker.createConversation(roles));
    }
    this.#unasked = whole(random, 3, 25);
    for (let left = this.#unasked; left > 0; left -= 1) {
      timeline.after(whole(random, 0, TROUBLE_MS), () => this.#ask());
    }
    this.#isSteady = random() < 0.5;
    if (this.#isSteady) this.#startProcess();
    for (let left = whole(random, 1, 3); left > 0; left -= 1) this.#startMortal();
    if (random() < 0.3) this.#setClocks();
  }

  isOver(): boolean {
    const { timeline, looker } = this.#parts;
    return timeline.monotonicMs() > TROUBLE_MS && this.#unasked === 0 && !looker.hasWork({});
  }

  async #ask(): Promise<void> {
    const { random, looker, ledger } = this.#parts;
    const conversationId = pick(random, this.#conversations);
    const parents = random() < 0.15 && this.#asked.length > 0 ? [pick(random, this.#asked)] : [];
    const body = { type: 'query', question: 'why?', depends_on: parents };
    const message = random() < 0.05 ? '{"type":"query"' : JSON.stringify(body);
    const metadata = random() < 0.05 ? '{"action_type":"info"}' : '{"action_type":"question"}';
    const question = await looker.put({ conversationId, from: 'a', message, metadata });
    this.#asked.push(question);
    this.#unasked -= 1;
    ledger.asked(question, conversationId);
  }

  #startProcess(): { readonly worker: Worker; readonly owner: ReturnType<typeof owner> } {
    const { world, timeline, random, ledger, options } = this.#parts;
    this.#owners += 1;
    const own = owner(this.#owners);
    const joined = world.join(own);
    const bus = options.through?.(joined, world) ?? joined;
    const worker = new Worker({ bus, timeline, random, ledger, settings: SETTINGS });
    worker.start();
    return { worker, owner: own };
  }

  /** A process with an end, and one after it until the trouble is over. */
  #startMortal(): void {
    const { random, timeline, world, ledger } = this.#parts;
    const { worker, owner: own } = this.#startProcess();
    if (random() < 0.4) {
      const forMs = whole(random, 100, 3 * LEASE_MS);
      timeline.after(whole(random, 0, TROUBLE_MS / 2), async () => worker.stop(forMs));
    }
    const lifeMs = whole(random, 100, TROUBLE_MS);
    if (timeline.monotonicMs() + lifeMs > TROUBLE_MS) return;
    timeline.after(lifeMs, async () => {
      worker.die();
      const isProvable = random() < 0.5;
      if (isProvable) world.bury(own);
      ledger.deaths.push(this.#death(worker, isProvable));
      timeline.after(whole(random, 0, 20_000), async () => this.#startMortal());
    });
  }

  #death({ held }: Worker, isProvable: boolean): Death {
    const atUs = this.#parts.timeline.wallUs();
    const graceMs = SETTINGS.reapEveryMs + (isProvable ? 0 : SETTINGS.leaseMs);
    const byUs = this.#isSteady ? atUs + graceMs * 1000 + GRID_US : Number.POSITIVE_INFINITY;
    return { atUs, byUs, leases: held };
  }

  #setClocks(): void {
    const { random, timeline } = this.#parts;
    for (let left = whole(random, 1, 3); left > 0; left -= 1) {
      const byMs = whole(random, -600_000, 600_000);
      timeline.after(whole(random, 0, TROUBLE_MS), async () => timeline.setWall(byMs));
    }
  }
}

interface End {
  readonly facts: BusFacts;
  readonly ledger: Ledger;
  readonly timeline: Timeline;
  readonly world: World;
  readonly looker: Bus;
}

function broken({ facts, ledger, timeline, world, looker }: End): string[] {
  const { bad } = check(facts, ledger.history, { clockWasSet: timeline.wasSet });
  const found = Object.entries(bad).flatMap(([kind, findings]) =>
    findings.map(({ question, why }) => `${kind}: ${question}: ${why}`),
  );
  const { stale } = looker.stats();
  return [
    ...found,
    ...world.rewritten.map((id) => `the end of ${id} was written twice`),
    ...(stale === ledger.refused ? [] : [`${ledger.refused} writes refused, ${stale} counted`]),
    ...(timeline.wasSet ? [] : lateReaps(facts, ledger)),
    ...hastyChildren(facts),
  ];
}

/** What the dead held is free again in time. */
function lateReaps({ attempts }: BusFacts, { deaths }: Ledger): string[] {
  return deaths.flatMap(({ byUs, leases }) =>
    leases.flatMap(({ questionId, attempt }) => {
      const ended = attempts.find(
        (other) => other.question === questionId && other.attempt === attempt,
      );
      if (ended === undefined || ended.finishedUs <= byUs) return [];
      return [`attempt ${attempt} at ${questionId} was taken from the dead too late`];
    }),
  );
}

/** A question that names another one is answered after it, and only if that one was answered. */
function hastyChildren({ questions, answers, done }: BusFacts): string[] {
  const outcomes = new Map(done.map(({ question, outcome }) => [question, outcome]));
  const places = new Map(answers.map(({ question }, place) => [question, place]));
  return questions.flatMap(({ id, message }) => {
    const [parent] = parentsOf(message);
    if (parent === undefined || outcomes.get(id) !== 'complete') return [];
    const isAfter = (places.get(parent) ?? Number.POSITIVE_INFINITY) < (places.get(id) ?? 0);
    if (isAfter && outcomes.get(parent) === 'complete') return [];
    return [`${id} was answered, and ${parent}, which it depends on, was ${outcomes.get(parent)}`];
  });
}

function parentsOf(message: string): readonly number[] {
  try {
    return JSON.parse(message).depends_on ?? [];
  } catch {
    return [];
  }
}

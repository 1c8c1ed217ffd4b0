/**
 * The lanes: whether each leads through all unfinished questions of its conversation, in order, and
 * through no other. A lane that does not is made anew from the questions themselves.
 */
import type { Database } from 'better-sqlite3';
import type { Glance } from '../../question.js';
import type { Finding } from './finding.js';
import { faultsOf, isHeld, type Lane, type Look } from './lane-state.js';
import { rebuild } from './rebuild.js';
import type { Unheld } from './unheld.js';

/** Sides that some warmline answers for. */
export const DRAINED = `
  SELECT session FROM warmline_cursor UNION SELECT session FROM warmline_lanes
  UNION SELECT session FROM warmline_counters`;

/** The unfinished questions of one conversation. */
export interface Owed {
  readonly session: string;
  readonly conversation: string;
  /** In order of id; `next` as it is kept, undefined where the question is not kept at all. */
  readonly questions: {
    readonly id: number;
    readonly next: number | null | undefined;
    readonly priority: number;
    /** Of one that is not kept. */
    readonly model?: string | undefined;
  }[];
  /** Finished, and still kept as work. */
  readonly finished: number[];
}

type WorkRow = readonly [
  id: number,
  next: number | null,
  /** Of its message; null when that is gone. */
  session: unknown,
  conversation: unknown,
  isFinished: 0 | 1,
  priority: number,
];

/** Finds what is wrong with lanes, work that no lane leads to, and questions that nobody holds. */
export function findInLanes(db: Database, unheld: readonly Unheld[], look: Look): Finding[] {
  const lanes = readLanes(db);
  const faults = new Faults();
  for (const lane of lanes) {
    for (const fault of faultsOf(lane, look)) faults.add(lane, fault);
  }
  const strays = walk(db, lanes, faults);
  const unanswered = unheld.filter(({ answered }) => !answered);
  const questions = unanswered.filter(isQuestion);
  for (const question of questions) {
    faults.add(question, `question ${question.id} is unread, and no lane leads to it`);
  }
  return [
    ...mendLanes(db, lanes, faults, questions, look),
    ...strays.map(dropStray),
    ...unanswered.filter((each) => !isQuestion(each)).map(noteIgnorable),
  ];
}

type UnheldQuestion = Omit<Unheld, 'glance'> & { readonly glance: Glance };

function isQuestion(unheld: Unheld): unheld is UnheldQuestion {
  return unheld.glance !== 'ignored';
}

interface Place {
  readonly session: string;
  readonly conversation: string;
}

function keyOf({ session, conversation }: Place): string {
  return `${session}/${conversation}`;
}

/** What is wrong, by conversation. */
class Faults {
  readonly places = new Map<string, Place & { readonly faults: string[] }>();

  add({ session, conversation }: Place, fault: string): void {
    const key = keyOf({ session, conversation });
    const place = this.places.get(key) ?? { session, conversation, faults: [] };
    this.places.set(key, place);
    place.faults.push(fault);
  }
}

function readLanes(db: Database): Lane[] {
  return db
    .prepare(
      `SELECT l.session, l.conversation_id AS conversation, l.head_id AS head, l.tail_id AS tail,
              l.unfinished, l.state, l.ready_at_us AS readyAtUs, l.attempts,
              l.claimed_at_us AS claimedAtUs, l.lease_token AS token, l.lease_owner AS owner,
              l.lease_until_us AS untilUs,
              coalesce((SELECT max(attempt) FROM warmline_attempts a
                        WHERE a.question_id = l.head_id), 0) AS recorded,
              EXISTS (SELECT 1 FROM conversations c WHERE c.id = l.conversation_id) AS isOpen,
              EXISTS (SELECT 1 FROM warmline_depends d WHERE d.question_id = l.head_id) AS depends
       FROM warmline_lanes l`,
    )
    .all() as Lane[];
}

/** How far a lane has been followed. */
interface Walk {
  readonly lane: Lane;
  last: number | undefined;
  count: number;
  ended: boolean;
}

/**
 * Follows all lanes at once, in one pass over the unfinished questions by id: a link only ever leads
 * to a higher one.
 * @returns unfinished questions that no lane leads to and whose message is gone or not for us
 */
function walk(db: Database, lanes: readonly Lane[], faults: Faults): number[] {
  const walks = lanes.map((lane) => ({ lane, last: undefined, count: 0, ended: false }) as Walk);
  const expected = new Map<number, Walk>();
  const expect = (id: number, follower: Walk) => {
    const other = expected.get(id);
    if (other === undefined) expected.set(id, follower);
    for (const each of other === undefined ? [] : [other, follower]) {
      const { conversation } = each.lane;
      faults.add(
        each.lane,
        `the lane of conversation ${conversation} leads to question ${id}, and so does another`,
      );
    }
  };
  for (const each of walks) expect(each.lane.head, each);
  const strays: number[] = [];
  for (const row of workRows(db)) {
    const [id, next, , , isFinished] = row;
    const place = placeOf(row);
    const follower = expected.get(id);
    expected.delete(id);
    if (follower === undefined) {
      if (place === undefined) strays.push(id);
      else faults.add(place, `no lane leads to question ${id}`);
    } else {
      step(follower, id, next, faults);
      if (!follower.ended && next !== null) expect(next, follower);
      if (place !== undefined && keyOf(place) !== keyOf(follower.lane)) {
        faults.add(place, `question ${id} is not in the lane of its conversation`);
        faults.add(
          follower.lane,
          `question ${id} is in the lane of conversation ${follower.lane.conversation}, and is none of it`,
        );
      }
    }
    const where = place ?? follower?.lane;
    if (isFinished === 1 && where)
      faults.add(where, `question ${id} is finished and still in a lane`);
  }
  for (const each of walks) check(each, faults);
  return strays;
}

function step(follower: Walk, id: number, next: number | null, faults: Faults): void {
  follower.last = id;
  follower.count += 1;
  if (next === null) follower.ended = true;
  else if (next <= id) {
    follower.ended = true;
    faults.add(follower.lane, `question ${id} leads back to ${next}`);
  }
}

function check({ lane, last, count, ended }: Walk, faults: Faults): void {
  const { conversation, unfinished, tail } = lane;
  if (!ended) {
    faults.add(
      lane,
      last === undefined
        ? `the lane of conversation ${conversation} begins with question ${lane.head}, which is not unfinished`
        : `question ${last} leads to one that is not unfinished`,
    );
  }
  if (count !== unfinished) {
    faults.add(
      lane,
      `conversation ${conversation} has ${count} unfinished questions in its lane, and ${unfinished} are counted`,
    );
  }
  if (last !== undefined && last !== tail) {
    faults.add(
      lane,
      `the lane of conversation ${conversation} ends with question ${last}, and ${tail} is kept as its end`,
    );
  }
}

function workRows(db: Database): Iterable<WorkRow> {
  return db
    .prepare(
      `SELECT w.question_id, w.next_id,
              CASE WHEN m.to_session IN (${DRAINED}) THEN m.to_session END,
              m.conversation_id, d.question_id IS NOT NULL, w.priority
       FROM warmline_work w
       LEFT JOIN messages m ON m.id = w.question_id
       LEFT JOIN warmline_done d ON d.question_id = w.question_id
       ORDER BY w.question_id`,
    )
    .raw()
    .iterate() as Iterable<WorkRow>;
}

function placeOf([, , session, conversation]: WorkRow): Place | undefined {
  if (typeof session !== 'string' || typeof conversation !== 'string') return undefined;
  return { session, conversation };
}

/** One finding for each conversation; a second pass brings what its lane ought to be. */
function mendLanes(
  db: Database,
  lanes: readonly Lane[],
  { places }: Faults,
  unheld: readonly UnheldQuestion[],
  look: Look,
): Finding[] {
  if (places.size === 0) return [];
  const owed = new Map<string, Owed>(
    [...places].map(([key, { session, conversation }]) => [
      key,
      { session, conversation, questions: [], finished: [] },
    ]),
  );
  for (const row of workRows(db)) {
    const [id, next, , , isFinished, priority] = row;
    const place = placeOf(row);
    const lane = place && owed.get(keyOf(place));
    if (isFinished === 1) lane?.finished.push(id);
    else lane?.questions.push({ id, next, priority });
  }
  for (const question of unheld) {
    owed
      .get(keyOf(question))
      ?.questions.push({ id: question.id, next: undefined, ...question.glance });
  }
  const laneOf = new Map(lanes.map((lane) => [keyOf(lane), lane]));
  return [...owed].map(([key, lane]) => {
    lane.questions.sort((one, other) => one.id - other.id);
    const kept = laneOf.get(key);
    const faults = places.get(key)?.faults ?? [];
    return kept && isHeld(kept, look)
      ? { kind: 'lane', messages: faults.map((fault) => fault + HELD), steps: [] }
      : { kind: 'lane', messages: faults, steps: rebuild(lane, kept, look) };
  });
}

const HELD = '; it is being answered now, so the lane is left alone';

function dropStray(id: number): Finding {
  return {
    kind: 'leftover',
    messages: [`question ${id} is kept as unfinished, and there is no such question any more`],
    steps: [
      (db) => db.prepare('DELETE FROM warmline_work WHERE question_id = ?').run(id).changes === 1,
    ],
  };
}

function noteIgnorable({ id, session, conversation }: Unheld): Finding {
  return {
    kind: 'lost',
    messages: [`message ${id} is unread and no question, and is not noted to be marked as read`],
    steps: [
      (db, nowUs) =>
        db
          .prepare('INSERT OR IGNORE INTO warmline_ignorable VALUES (?, ?, ?, ?)')
          .run(id, session, conversation, nowUs).changes === 1,
    ],
  };
}

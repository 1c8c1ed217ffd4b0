/** A backlog drained over the real socket, against SQLite alone with one commit for each answer. */
import { join } from 'node:path';
import { bareLoop, makeBus, recordedRate } from './bus-file.js';
import { type Figure, median, perSecond } from './figures.js';
import { runWarmline, startFake } from './processes.js';

const CONVERSATIONS = 256;
const BARE_ANSWERS = 10_000;

export async function drain(
  dir: string,
  size: { questions: number; oldRows: number; rounds: number },
): Promise<Figure[]> {
  const file = join(dir, 'drain.db');
  const warm = await startFake(dir);
  const once = async (oldRows: number) => {
    await makeBus(file, { questions: size.questions, conversations: CONVERSATIONS, oldRows });
    const words = ['autopoll', '--db', file, '--port', String(warm.port), '--once'];
    await runWarmline(...words, '--concurrency', '256', '--log-level', 'error');
    const { answers, rate } = recordedRate(file);
    if (answers !== size.questions) throw new Error(`${answers} of ${size.questions} answered`);
    return rate;
  };
  const bare = async () => {
    await makeBus(file, { questions: BARE_ANSWERS, conversations: CONVERSATIONS, oldRows: 0 });
    return bareLoop(file, BARE_ANSWERS);
  };
  try {
    const base: number[] = [];
    const ours: number[] = [];
    const aged: number[] = [];
    for (let round = 0; round < size.rounds; round += 1) {
      base.push(await bare());
      ours.push(await once(0));
      aged.push(await once(size.oldRows));
    }
    const speed = median(ours.map((rate, index) => rate / (base[index] ?? Number.NaN)));
    const age = median(aged.map((rate, index) => rate / (ours[index] ?? Number.NaN)));
    return [
      {
        name: `drain of ${size.questions.toLocaleString('en-US')} questions, FULL`,
        value: perSecond(median(ours)),
        baseline: `a commit each ${perSecond(median(base))}`,
        ratio: speed,
        target: '>= 5',
        reached: speed >= 5,
      },
      {
        name: `the same with ${size.oldRows.toLocaleString('en-US')} old rows`,
        value: perSecond(median(aged)),
        baseline: `without ${perSecond(median(ours))}`,
        ratio: age,
        target: '>= 0.9',
        reached: age >= 0.9,
      },
    ];
  } finally {
    await warm.stop();
  }
}

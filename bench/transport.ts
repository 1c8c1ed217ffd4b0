/** How much of a bare server's rate is left with framing, schemas, sessions and replies on top. */
import { type Figure, median, perSecond } from './figures.js';
import { measure, paddedLine } from './load.js';
import { startFake, startProgram } from './processes.js';

const LINE_BYTES = 200;
const SHAPE = { connections: 50, inFlight: 16 } as const;

export async function transport(dir: string, lines: number, rounds: number): Promise<Figure[]> {
  const bare = await startProgram('baseline-server.js');
  const warm = await startFake(dir);
  const ping = (id: number) => paddedLine({ type: 'ping', id }, 'padding', LINE_BYTES);
  const query = (id: number) => paddedLine({ type: 'query', id }, 'question', LINE_BYTES);
  try {
    const figures: Figure[] = [];
    for (const [name, line, target] of [
      ['ping, 200-byte lines, 50 x 16', ping, 0.8],
      ['fake query, same load', query, 0.5],
    ] as const) {
      const base: number[] = [];
      const ours: number[] = [];
      for (let round = 0; round <= rounds; round += 1) {
        base.push(await measure({ ...SHAPE, port: bare.port, lines, line }));
        ours.push(await measure({ ...SHAPE, port: warm.port, lines, line }));
      }
      // The first round warms both up.
      const ratios = ours.slice(1).map((rate, index) => rate / (base[index + 1] ?? Number.NaN));
      figures.push({
        name,
        value: perSecond(median(ours.slice(1))),
        baseline: `bare net ${perSecond(median(base.slice(1)))}`,
        ratio: median(ratios),
        target: `>= ${target}`,
        reached: median(ratios) >= target,
      });
    }
    return figures;
  } finally {
    await warm.stop();
    await bare.stop();
  }
}

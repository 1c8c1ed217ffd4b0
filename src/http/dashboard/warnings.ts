/** What is worth a person's attention now: engines that are parked, and what autopolls warn of. Pure. */
import type { BusOverview } from '../../bus/index.js';
import type { Warning } from './wire.js';

type Facts = Pick<BusOverview, 'parks' | 'workers' | 'stats'>;
type Fields = Readonly<Record<string, unknown>>;

/** An autopoll notes how it is twice a minute; one that is silent for longer hangs. In microseconds. */
const SILENT_US = 90_000_000;
/** An autopoll warns of this as well, from a row that may be older than that of the park. */
const PARKED = 'engine_parked';

export function warningsIn({ parks, workers, stats }: Facts, nowUs: number): Warning[] {
  const here = workers.filter(({ gone }) => !gone);
  return [
    ...(here.length === 0 && stats.pending > stats.expired ? [NOBODY] : []),
    ...here
      .filter(({ seenAtUs }) => nowUs - seenAtUs > SILENT_US)
      .map(({ owner, seenAtUs }) => ({
        key: `silent ${owner}`,
        severity: 'warning' as const,
        message: 'an autopoll has said nothing of itself for a while; it may hang',
        sinceUs: seenAtUs,
      })),
    ...parks.map(({ engine, code, sinceUs, untilUs }) => ({
      key: `park ${engine}`,
      severity: 'severe' as const,
      message: `${engine === '' ? 'the default engine' : `engine ${engine}`} takes no work: ${code}, ${untilText(untilUs)}`,
      sinceUs,
    })),
    ...here.flatMap(({ owner, seenAtUs, state }) =>
      listOf(state.warnings).flatMap((warning) => noted(owner, seenAtUs, warning)),
    ),
  ];
}

const NOBODY: Warning = {
  key: 'no autopoll',
  severity: 'severe',
  message: 'questions wait, and no autopoll works on this bus: start one with "warmline autopoll"',
};

function untilText(untilUs: number | undefined): string {
  if (untilUs === undefined) return 'until it is put right';
  return `until ${new Date(untilUs / 1000).toISOString().slice(0, 19)}Z`;
}

function listOf(noted: unknown): unknown[] {
  return Array.isArray(noted) ? noted : [];
}

/** What an autopoll noted of itself: its fields are its own. */
function noted(owner: string, seenAtUs: number, warning: unknown): Warning[] {
  if (warning === null || typeof warning !== 'object') return [];
  const { kind, subject, severity, message, age_ms: ageMs } = warning as Fields;
  if (kind === PARKED) return [];
  return [
    {
      key: `${owner} ${String(kind)} ${String(subject)}`,
      severity: severity === 'severe' ? 'severe' : 'warning',
      message: String(message),
      ...(typeof ageMs === 'number' && { sinceUs: seenAtUs - ageMs * 1000 }),
    },
  ];
}

/** The engines and the queues of a bridge that runs, from its health report. */
import type { Report } from '../../socket/index.js';
import { duration, printableLine } from '../output.js';
import { objectsIn } from '../report.js';
import { type Finding, fail, ok } from './finding.js';

type Fields = ReturnType<typeof objectsIn>[number];

/** A newer bridge may say more, another one less: what is not there is not told. */
export function checkRunning(health: Report): Finding[] {
  return [
    ...objectsIn(health.engines).map(judgeEngine),
    ...objectsIn(health.queues).flatMap(judgeQueue),
  ];
}

function judgeEngine(engine: Fields): Finding {
  const { kind, state, default: isDefault } = engine;
  const name = text(engine.engine);
  const ofKind = kind === engine.engine ? '' : `, of kind ${text(kind)}`;
  const who = `${name}${ofKind}${isDefault === true ? ', the default' : ''}`;
  const [trouble, fix] = troubleOf(engine);
  if (trouble === undefined && state !== 'degraded' && state !== 'down') {
    return ok('engine', `${who}: ${text(state)}, in the bridge that runs`);
  }
  const facts = [text(state), trouble, lastFailure(engine)].filter((fact) => fact !== undefined);
  return fail('engine', `${who}: ${facts.join('; ')}`, fix);
}

/** What the engine itself refuses, and what to do about it. */
function troubleOf({ auth, limit, retry_in_ms: retryMs }: Fields): [string | undefined, string] {
  if (auth === 'failed') {
    return ['its login is refused', 'log in again where the bridge runs, or give it a valid key'];
  }
  const { state, reset_at_ms: resetMs } = (limit ?? {}) as Fields;
  if (state === 'limited') {
    const until =
      typeof resetMs === 'number' && Math.abs(resetMs) < 8.64e15
        ? ` until ${new Date(resetMs).toISOString().slice(0, 19)}Z`
        : '';
    return [`its usage limit is reached${until}`, 'it goes on by itself when the limit is over'];
  }
  const again = typeof retryMs === 'number' ? `it is tried again in ${duration(retryMs)}; ` : '';
  return [undefined, `${again}put right what the failure says, and see the log of the bridge`];
}

function lastFailure({ last_failure: failure }: Fields): string | undefined {
  if (typeof failure !== 'object' || failure === null) return undefined;
  const { code, message, ago_ms: agoMs } = failure as Fields;
  const ago = typeof agoMs === 'number' ? `, ${duration(agoMs)} ago` : '';
  return `last failure ${text(code)}: ${text(message)}${ago}`;
}

function judgeQueue({ db, pid, late, warnings }: Fields): Finding[] {
  const whose = `the autopoll of ${text(db)} (process ${Number(pid)})`;
  const severe = objectsIn(warnings)
    .filter(({ severity }) => severity === 'severe')
    .map(({ message, kind }) =>
      fail('queue', `${whose}: ${text(message)}`, `see ${text(kind)} in docs/operations.md`),
    );
  if (late !== true) return severe;
  const fix = `see its log; if it hangs: kill -9 ${Number(pid)}, and start it again`;
  return [...severe, fail('queue', `${whose} is late with what it had announced`, fix)];
}

function text(value: unknown): string {
  return typeof value === 'string' ? printableLine(value) : '';
}

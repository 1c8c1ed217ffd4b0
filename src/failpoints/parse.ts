/** What a person writes to set failpoints: `ans.commit:kill@3,reap.select:stop`. Pure. */
import { ConfigError } from '../errors.js';
import { FAILPOINTS, type Failpoint, isFailpoint } from './names.js';

type FailpointAction =
  | { readonly do: 'kill' | 'stop' | 'throw' }
  /** The whole process stands still for so long. */
  | { readonly do: 'delay'; readonly ms: number };

export interface Trap {
  readonly name: Failpoint;
  readonly action: FailpointAction;
  /** It acts once, this many times after the start; a delay without a number acts every time. */
  readonly at: number | undefined;
}

const WORD = /^([^:@]+):([^@]+)(?:@([1-9]\d{0,8}))?$/;

/** The longest delay, in milliseconds: a process that stands still for longer is one that stopped. */
const MAX_DELAY_MS = 600_000;

/** @throws ConfigError that says what is wrong, and lists what there is */
export function parseFailpoints(text: string): Trap[] {
  const traps = text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
    .map(parseTrap);
  const twice = traps.find(({ name }, at) => traps.findIndex((trap) => trap.name === name) !== at);
  if (twice) throw new ConfigError(`failpoint "${twice.name}" is set twice; set it once`);
  return traps;
}

function parseTrap(word: string): Trap {
  const [, name, action, times] = WORD.exec(word) ?? [];
  if (name === undefined || action === undefined) {
    throw new ConfigError(
      `failpoint "${word}" is not understood; write name:action or name:action@n, such as ans.commit:kill@3`,
    );
  }
  if (!isFailpoint(name)) {
    const known = Object.keys(FAILPOINTS).join(', ');
    throw new ConfigError(`failpoint "${name}" is not known; there are ${known}`);
  }
  const parsed = parseAction(action, word);
  const once = parsed.do === 'delay' ? undefined : 1;
  return { name, action: parsed, at: times === undefined ? once : Number(times) };
}

function parseAction(action: string, word: string): FailpointAction {
  if (action === 'kill' || action === 'stop' || action === 'throw') return { do: action };
  const [, ms] = /^delay:(\d{1,6})$/.exec(action) ?? [];
  if (ms !== undefined && Number(ms) <= MAX_DELAY_MS) return { do: 'delay', ms: Number(ms) };
  throw new ConfigError(
    `failpoint "${word}": the action must be kill, stop, throw or delay:MS with at most ${MAX_DELAY_MS} ms`,
  );
}

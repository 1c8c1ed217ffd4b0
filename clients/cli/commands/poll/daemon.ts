/** What the commands of the daemon share. */
import { type BusInspection, inspectBus, type Side } from '../../../../src/bus/index.js';
import { environment, type Settings } from '../../../../src/config/index.js';
import { type Place, placeOf } from '../../../daemon/index.js';
import { withBridge } from '../../bridge-client.js';
import { needBus } from '../../options.js';
import { duration, printableLine } from '../../output.js';

/** @throws ConfigError */
export function placeFor(settings: Settings): Place {
  return placeOf(needBus(settings), environment());
}

export interface BridgeState {
  readonly address: string;
  /** Why it cannot be reached; undefined when it can. */
  readonly error: string | undefined;
}

/** A bridge that takes longer to greet is as good as none, in milliseconds. */
const GREETING_MS = 2_000;

/** @throws ConfigError when the token file cannot be used */
export async function lookAtBridge(
  settings: Settings,
  address: Pick<Settings['address'], 'host' | 'port' | 'socket'> = settings.address,
): Promise<BridgeState> {
  const { host, port, socket } = address;
  const name = socket ?? `${host}:${port}`;
  const there = { ...settings, address: { ...settings.address, host, port, socket } };
  return withBridge(there, async () => undefined, GREETING_MS).then(
    () => ({ address: name, error: undefined }),
    (error: Error) => {
      if (error.name === 'ConfigError') throw error;
      return { address: name, error: error.message };
    },
  );
}

export function bridgeText({ address, error }: BridgeState): string {
  if (error === undefined) return `the bridge at ${address} answers`;
  return `no bridge: ${printableLine(error)} The daemon connects when there is one; questions wait`;
}

export function bridgeWire({ address, error }: BridgeState) {
  return { address, reachable: error === undefined, error: error ?? null };
}

type Worker = BusInspection['workers'][number];

/** Autopolls that work on a bus beside this process: `up`, pm2, or by hand. */
export function othersOn(db: string, session: Side, pid: number): Worker[] {
  return inspectBus(db, session).workers.filter(
    ({ gone, state }) => !gone && Number(state.pid) !== pid,
  );
}

/** @param nowUs microseconds since the epoch */
export function othersText(others: readonly Worker[], nowUs: number): string[] {
  return others.map(({ state, seenAtUs }) => {
    const ago = duration(Math.max(0, (nowUs - seenAtUs) / 1000));
    return `another autopoll works on this bus, too: pid ${Number(state.pid)}, heard of ${ago} ago; they share the questions, each is answered once`;
  });
}

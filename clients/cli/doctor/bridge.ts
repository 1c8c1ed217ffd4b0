/** The address of the bridge: who answers there, or whether one could be started. */
import { lstatSync } from 'node:fs';
import { createServer } from 'node:net';
import { readToken, type Settings } from '../../../src/config/index.js';
import { BridgeError, type Report } from '../../socket/index.js';
import { withBridge } from '../bridge-client.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** A greeting and a health report come from memory; a bridge that takes longer is not well. */
const GREETING_MS = 2_000;
const HEALTH_MS = 5_000;

interface Checked {
  readonly findings: readonly Finding[];
  /** What a bridge says that runs there; undefined when none does, or none that talks to us. */
  readonly health?: Report | undefined;
}

export async function checkBridge(settings: Settings): Promise<Checked> {
  const token = checkToken(settings);
  if (token?.status === 'fail') return { findings: [token] };
  const { findings, health } = await probe(settings);
  return { findings: [...(token === undefined ? [] : [token]), ...findings], health };
}

function checkToken({ address }: Settings): Finding | undefined {
  if (address.tokenFile === undefined) return undefined;
  try {
    readToken(address.tokenFile);
    return ok('token', `${address.tokenFile} is readable by its owner only`);
  } catch (error) {
    return fail('token', (error as Error).message, 'see there');
  }
}

async function probe(settings: Settings): Promise<Checked> {
  try {
    const health = await withBridge(
      settings,
      (client) => client.health({ timeoutMs: HEALTH_MS }),
      GREETING_MS,
    );
    return { findings: judge(health, settings), health };
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    if (error.code === 'unreachable') {
      return { findings: [...(await checkPorts(settings)), ...checkSocket(settings)] };
    }
    return { findings: [explain(error, settings)] };
  }
}

function judge(health: Report, settings: Settings): Finding[] {
  const { status, version, pid } = health;
  const processes = (health.processes ?? {}) as { zombies?: number };
  const facts = `warmline ${version} answers at ${where(settings.address)} (process ${pid}), ${status}`;
  const findings = [
    status === 'ok'
      ? ok('bridge', facts)
      : fail('bridge', facts, `see what follows; all of it: ${healthCommand(settings)}`),
  ];
  if ((processes.zombies ?? 0) > 0) {
    const count = `the bridge has ${processes.zombies} dead child processes`;
    findings.push(warn('processes', count, 'restart the bridge, and report it'));
  }
  return findings;
}

function explain(error: BridgeError, settings: Settings): Finding {
  switch (error.code) {
    case 'unauthorized':
      return fail(
        'bridge',
        `a bridge at ${where(settings.address)} wants a token`,
        'give its --token-file',
      );
    case 'bad_reply':
      return fail(
        'bridge',
        `another program listens at ${where(settings.address)}`,
        'choose another --port, or stop that program',
      );
    default:
      return fail('bridge', `${where(settings.address)}: ${error.message}`, 'restart the bridge');
  }
}

/** Nobody greets there: free, or held by a program that does not speak our protocol. */
async function checkPorts({ address, http }: Settings): Promise<Finding[]> {
  const { host, port } = address;
  const ofBridge = await checkPort('port', host, port);
  if (http.httpPort === 'off') return [ofBridge];
  return [ofBridge, await checkPort('http-port', host, http.httpPort, http.isPortUsual)];
}

/** @param isSpare a bridge starts where it is taken, and does without */
function checkPort(
  name: 'port' | 'http-port',
  host: string,
  port: number,
  isSpare = false,
): Promise<Finding> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      const what = taken ? 'is held by another program' : `cannot be used: ${error.message}`;
      const fix = taken
        ? `choose another --${name}, or stop that program`
        : `choose another --host or --${name}`;
      const message = `${host}:${port} ${what}`;
      resolve(
        taken && isSpare
          ? warn(name, `${message}; a bridge started here would have no HTTP door`, fix)
          : fail(name, message, fix),
      );
    });
    probe.listen({ host, port }, () => {
      probe.close(() => resolve(ok(name, `${host}:${port} is free; no bridge runs there`)));
    });
  });
}

/** Only asked about when nobody answers. */
function checkSocket({ address }: Settings): Finding[] {
  if (address.socket === undefined) return [];
  const stats = lstatSync(address.socket, { throwIfNoEntry: false });
  if (stats === undefined) return [];
  return stats.isSocket()
    ? [
        warn(
          'socket',
          `${address.socket} was left by a bridge that is gone`,
          `the next bridge replaces it; or run: rm ${address.socket}`,
        ),
      ]
    : [
        fail(
          'socket',
          `${address.socket} exists and is not a socket`,
          'choose another --socket, or move the file away',
        ),
      ];
}

function healthCommand({ address }: Settings): string {
  const { host, port, socket } = address;
  return `echo health | nc -N ${socket === undefined ? `${host} ${port}` : `-U ${socket}`}`;
}

/** How people call the place where a bridge is looked for. */
export function where(address: Settings['address']): string {
  return address.socket ?? `${address.host}:${address.port}`;
}

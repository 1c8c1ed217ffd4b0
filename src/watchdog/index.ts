/**
 * Ends a process whose event loop no longer turns: nothing inside such a process can help it, and
 * supervisors see only that it is alive. A worker thread watches a counter that the main loop
 * keeps moving. It counts its own wake-ups instead of reading a clock: they stop together with the
 * process when it is suspended, so waking up late is never taken for a stall.
 */
import { Worker } from 'node:worker_threads';
import type { Log } from '../log.js';

export interface WatchdogOptions {
  /** How long the main loop may stand still, in milliseconds; default 15,000. */
  readonly stallMs?: number | undefined;
  readonly log: Log;
}

const DEFAULT_STALL_MS = 15_000;

/** Wake-ups in a row without a turn of the main loop that end the process. */
const SILENT_WAKE_UPS = 15;

/** Source text rather than a file of its own: it runs the same from TypeScript and from `dist`. */
const WORKER = `
const { writeSync } = require('node:fs');
const { workerData } = require('node:worker_threads');
const turns = new Int32Array(workerData.turns);
let seen = -1;
let silent = 0;
setInterval(() => {
  const now = Atomics.load(turns, 0);
  silent = now === seen ? silent + 1 : 0;
  seen = now;
  if (silent < workerData.wakeUps) return;
  try {
    writeSync(2, JSON.stringify({
      level: 60,
      time: Date.now(),
      pid: process.pid,
      msg: 'the event loop has stood still for ' + workerData.stallMs +
        ' ms; killing this process so that its supervisor starts a new one',
    }) + '\\n');
  } finally {
    process.kill(process.pid, 'SIGKILL');
  }
}, workerData.everyMs);
`;

/** Starts watching the calling thread's event loop. The returned function stops it. */
export function startWatchdog(options: WatchdogOptions): () => Promise<void> {
  const stallMs = options.stallMs ?? DEFAULT_STALL_MS;
  const everyMs = Math.max(1, Math.round(stallMs / SILENT_WAKE_UPS));
  const turns = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const ticking = setInterval(() => Atomics.add(turns, 0, 1), Math.max(1, everyMs / 4));
  const worker = new Worker(WORKER, {
    eval: true,
    workerData: { turns: turns.buffer, wakeUps: SILENT_WAKE_UPS, stallMs, everyMs },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
  });
  worker.on('error', (error) => options.log.error({ err: error }, 'the watchdog stopped'));
  ticking.unref();
  worker.unref();
  return async () => {
    clearInterval(ticking);
    await worker.terminate();
  };
}

/** A model API without a model, for trying engines out and for tests: see docs/fake-model.md. */
import { startFakeModel, WordError } from '../../../src/fake-model/index.js';
import { runUntilStopped } from '../../../src/lifecycle.js';
import { createLogger } from '../../../src/log.js';
import { UsageError } from '../failure.js';
import type { Words } from '../options.js';
import { announceReady } from '../output.js';

interface FakeModelWords {
  readonly host: string;
  readonly port: string;
  readonly delayMs?: number;
  readonly script?: string;
  readonly json?: boolean;
}

export async function fakeModel(words: Words): Promise<number> {
  const { host, port, delayMs = 0, script = '', json } = words as unknown as FakeModelWords;
  const options = { host, port: portOf(port), delayMs, script };
  const log = createLogger({ level: 'info', ...(json === true ? { pretty: false } : {}) });
  return runUntilStopped({ log, drainMs: 0 }, async (life) => {
    const model = await startFakeModel({ ...options, log }).catch(toUsageError);
    announceReady({ host: model.host, port: model.port, url: model.url, pid: process.pid });
    await life.stopped;
    await model.close();
  });
}

function portOf(given: string): number {
  if (/^\d{1,5}$/.test(given) && Number(given) <= 65_535) return Number(given);
  throw new UsageError('--port must be a whole number from 0 to 65535');
}

function toUsageError(error: unknown): never {
  if (error instanceof WordError) throw new UsageError(`--script: ${error.message}`);
  throw error;
}

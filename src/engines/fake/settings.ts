import { z } from 'zod';
import { FakeEngine } from './engine.js';

const Amount = z.number().int().min(0).max(3_600_000);

/** What a configuration may say about the fake; tests pass more to `FakeEngine` directly. */
const FakeEngineSettings = z.strictObject({
  name: z.string().min(1).max(64).optional(),
  model: z.string().min(1).max(64).optional(),
  delayMs: Amount.optional(),
  deltas: Amount.optional(),
  openDelayMs: Amount.optional(),
  openFailures: Amount.optional(),
  resetDelayMs: Amount.optional(),
  memoryBytesPerTurn: z.number().int().min(0).optional(),
});

/** @throws z.ZodError for settings it does not know */
export function createFakeEngine(settings: unknown): FakeEngine {
  return new FakeEngine(FakeEngineSettings.parse(settings));
}

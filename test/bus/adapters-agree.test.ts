import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Command, commands, Play } from '../contract/bus.commands.js';
import type { BusHarness } from '../contract/bus.harness.js';
import { memoryHarness } from './memory-harness.js';
import { sqliteHarness } from './sqlite-harness.js';

async function traceOf(harness: BusHarness, list: readonly Command[]): Promise<unknown[]> {
  const play = await Play.begin(harness);
  for (const command of list) await play.run(command);
  await play.finish();
  return play.trace;
}

test('the same play on both adapters looks the same at every step', async () => {
  await fc.assert(
    fc.asyncProperty(commands(), async (list) => {
      expect(await traceOf(sqliteHarness(), list)).toEqual(await traceOf(memoryHarness(), list));
    }),
    { numRuns: 30 },
  );
}, 120_000);

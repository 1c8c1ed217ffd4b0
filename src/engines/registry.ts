/**
 * The engines by name. A factory checks its own settings and may load its vendor's package only
 * then, which is why it is asynchronous: nobody pays for an engine that is not configured.
 */
import { z } from 'zod';
import { ConfigError } from '../errors.js';
import type { Engine } from './engine.js';
import { createExtractEngine } from './extract/index.js';
import { createFakeEngine } from './fake/index.js';

export type EngineFactory = (settings: unknown) => Promise<Engine>;

const ExtractSettings = z.strictObject({ cacheBytes: z.number().int().positive().optional() });

const FACTORIES: Readonly<Record<string, EngineFactory>> = {
  extract: async (settings) => createExtractEngine(ExtractSettings.parse(settings)),
  fake: async (settings) => createFakeEngine(settings),
};

export const ENGINE_NAMES: readonly string[] = Object.keys(FACTORIES);

/**
 * @param settings what the configuration says under the engine's name; `{}` for its defaults
 * @throws ConfigError for a name that is none, and for settings the engine does not know
 */
export async function createEngine(name: string, settings: unknown = {}): Promise<Engine> {
  const factory = Object.hasOwn(FACTORIES, name) ? FACTORIES[name] : undefined;
  if (factory === undefined) {
    throw new ConfigError(`no engine is called ${name}; choose from ${ENGINE_NAMES.join(', ')}`);
  }
  try {
    return await factory(settings);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    throw new ConfigError(`settings of engine ${name}: ${z.prettifyError(error)}`, {
      cause: error,
    });
  }
}

/** The engine `acp`: any agent program that speaks the Agent Client Protocol, kept warm. */
import { tmpdir } from 'node:os';
import { systemClock } from '../../clock.js';
import { ConfigError } from '../../errors.js';
import type { Log } from '../../log.js';
import { findProgram } from '../../processes/index.js';
import { Account } from '../claude/account.js';
import { showable } from '../claude/failures.js';
import type { Engine } from '../engine.js';
import { createGrounder, DEFAULT_PROMPT_BYTES } from '../grounding/index.js';
import { AcpEngine } from './engine.js';
import { removeDeserted } from './homes.js';
import { environmentOf, type PresetName, presetNamed, presetOf } from './presets.js';

export interface AcpOptions {
  /** The engine's name in the configuration. */
  readonly name: string;
  /** The agent program and its arguments; by default the program of the preset, on PATH. */
  readonly command?: readonly string[] | undefined;
  /** The agent whose known-good settings are used; by default what the command shows. */
  readonly preset?: PresetName | undefined;
  /** A model the agent offers; by default what the agent chooses. */
  readonly model?: string | undefined;
  /** Largest context file that is sent whole, in bytes; of a larger one, passages. */
  readonly maxContextBytes?: number | undefined;
  /** Where the model API is, for agents of a preset. */
  readonly baseUrl?: string | undefined;
  /** A key of the model API, for agents of a preset. */
  readonly key?: string | undefined;
  /** The environment of which an agent sees what it needs. */
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
}

/**
 * Finds the agent's program; no agent is started yet.
 * @throws ConfigError when there is none
 */
export async function createAcpEngine(options: AcpOptions): Promise<Engine> {
  const { name, model, key, baseUrl, env, log } = options;
  const presetName = options.preset ?? presetOf(options.command ?? []);
  const preset = presetName === undefined ? undefined : presetNamed(presetName);
  const [word, ...words] = options.command ?? preset?.command ?? [];
  if (word === undefined) throw new ConfigError(`engine ${name} needs the command of an agent`);
  const program = findProgram(word, env.PATH, process.cwd());
  if (program === undefined) {
    throw new ConfigError(
      `engine ${name}: the agent ${JSON.stringify(word)} is not there; ` +
        'install it, or give the path of its program',
    );
  }
  const facts = { env, model, key, baseUrl };
  if (preset === undefined && (key !== undefined || baseUrl !== undefined)) {
    throw new ConfigError(
      `engine ${name}: only an agent of a preset takes a key or an address; this one has its own settings`,
    );
  }
  await removeDeserted(tmpdir());
  const childEnv = environmentOf(preset, facts);
  const secrets = secretsIn(childEnv);
  log.info({ engine: name, program, preset: presetName ?? null }, 'agent found');
  return new AcpEngine({
    name,
    command: {
      program,
      args: [...words, ...(preset?.args(facts) ?? [])],
      env: childEnv,
      files: preset?.files ?? {},
      tempDir: tmpdir(),
    },
    model: model ?? presetName ?? name,
    wantedModel: preset === undefined ? model : undefined,
    meta: preset?.meta,
    grounder: createGrounder({ maxContextBytes: options.maxContextBytes ?? DEFAULT_PROMPT_BYTES }),
    account: new Account(systemClock),
    showable: (text) => showable(text, secrets),
  });
}

/** Values that no error may show; a short one is no secret, and would tear words apart. */
function secretsIn(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env)
    .filter(([name, value]) => /KEY|TOKEN|SECRET|PASSWORD/.test(name) && value.length >= 8)
    .map(([, value]) => value);
}

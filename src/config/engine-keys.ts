/**
 * What an `[engines.NAME]` table of the config file may hold, beside the settings that it may set
 * otherwise for its engine alone.
 */
import { z } from 'zod';
import {
  optionalList,
  optionalOneOf,
  optionalOnOff,
  optionalPath,
  optionalText,
  optionalUrl,
  optionalWhole,
  texts,
  variableName,
} from './setting.js';

export const ENGINE_KINDS = ['extract', 'claude', 'acp', 'openai', 'anthropic', 'fake'] as const;

export type EngineKind = (typeof ENGINE_KINDS)[number];

const MIB = 1024 * 1024;

export const ENGINE_KEYS = z.object({
  kind: optionalOneOf(ENGINE_KINDS, {
    value: 'KIND',
    about: `what it is: one of ${ENGINE_KINDS.join(', ')}; by default the name of the table`,
  }),
  model: optionalText({
    value: 'MODEL',
    about: 'model to use; needed for openai and anthropic',
  }),
  aliases: texts(/^\S+$/, {
    value: 'NAMES',
    expects: 'a list of names without blanks',
    about: 'other words by which `model` in a question chooses this engine',
  }),
  fallback: optionalText({
    value: 'NAME',
    about:
      'engine that answers while this one is not available, has lost its login or has used up its limit',
  }),
  baseUrl: optionalUrl({ value: 'URL', about: 'address of the model API' }),
  keyFile: optionalPath({
    value: 'FILE',
    about: 'file with the key of the model API; readable by its owner only',
  }),
  keyEnv: variableName('variable that holds the key of the model API'),
  claudePath: optionalPath({
    value: 'FILE',
    about: 'the claude program; by default the one on PATH',
  }),
  command: optionalList({
    value: 'WORDS',
    expects: 'a list of words, as in ["my-agent", "--acp"]',
    about: 'the agent program and its arguments, a list of words',
  }),
  preset: optionalOneOf(['claude', 'gemini', 'codex'], {
    value: 'NAME',
    about: 'agent whose good settings are used: claude, gemini or codex',
  }),
  maxContextBytes: optionalWhole({
    unit: 'BYTES',
    min: 1024,
    max: 64 * MIB,
    about: 'largest context file that is sent whole; of a larger one the passages that match',
  }),
  maxOutputTokens: optionalWhole({
    unit: 'TOKENS',
    min: 1,
    max: 1_000_000,
    about: 'longest answer of the model; for anthropic 8192 unless it is set',
  }),
  prefetch: optionalOnOff({
    about: 'the provider takes a context in before the first question about it, for its tokens',
  }),
  cacheTtl: optionalOneOf(['5m', '1h'], {
    value: 'TIME',
    about: 'how long the provider keeps the context in its cache; 5m unless it is set',
  }),
  keepAlive: optionalText({
    value: 'TIME',
    about: 'how long Ollama keeps the model loaded; 24h unless it is set',
  }),
  caFile: optionalPath({
    value: 'FILE',
    about: 'certificates (PEM) to trust for this server, beside the usual ones',
  }),
  stateDir: optionalPath({
    value: 'DIR',
    about: 'where conversations are remembered across restarts',
  }),
});

export type TableKey = keyof typeof ENGINE_KEYS.shape;

const MODELS: readonly EngineKind[] = ['claude', 'acp', 'openai', 'anthropic'];

/** Kinds that a key means something to; a key that is not listed means something to all. */
export const KINDS_OF: Readonly<Record<string, readonly EngineKind[]>> = {
  model: [...MODELS, 'fake'],
  baseUrl: MODELS,
  keyFile: MODELS,
  keyEnv: MODELS,
  claudePath: ['claude'],
  command: ['acp'],
  preset: ['acp'],
  maxContextBytes: MODELS,
  maxOutputTokens: ['openai', 'anthropic'],
  prefetch: ['openai', 'anthropic'],
  cacheTtl: ['anthropic'],
  keepAlive: ['openai'],
  caFile: ['openai', 'anthropic'],
  stateDir: ['claude'],
  fakeDelayMs: ['fake'],
  fakeDeltas: ['fake'],
};

/** Settings whose value for all engines a table may replace for its own. */
export const INHERITED = [
  'maxSessions',
  'spares',
  'maxQueued',
  'sessionIdleMs',
  'sessionMaxTurns',
  'sessionMaxAgeMs',
  'sessionMaxBytes',
  'answerMaxChars',
  'sessionOpenMs',
  'firstByteMs',
  'questionTimeoutMs',
  'idleGapMs',
  'turnTimeoutMs',
  'fakeDelayMs',
  'fakeDeltas',
] as const;

/** Settings that are for the default engine alone, by the key of a table that says the same. */
export const OWN_SETTINGS = {
  engineModel: 'model',
  baseUrl: 'baseUrl',
  claudePath: 'claudePath',
  acpCommand: 'command',
  keyFile: 'keyFile',
  keyEnv: 'keyEnv',
  stateDir: 'stateDir',
} as const satisfies Record<string, TableKey>;

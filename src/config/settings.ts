/**
 * Every setting of every program of warmline, by the room that uses it. Keys are unique across
 * rooms, because people write them flat: `contextRoot` here is the flag `--context-root`, the
 * variable `WARMLINE_CONTEXT_ROOT` and the key `context_root` of the config file.
 */
import { z } from 'zod';
import { Autopoll, Warnings } from './autopoll-settings.js';
import { ENGINE_KINDS } from './engine-keys.js';
import { Http } from './http-settings.js';
import {
  oneOf,
  optionalPath,
  optionalText,
  optionalUrl,
  paths,
  text,
  variableName,
  whole,
} from './setting.js';

const MIB = 1024 * 1024;

/** Where the bridge is: what it listens on, and where its clients look for it. */
const Address = z.object({
  host: text('127.0.0.1', {
    value: 'ADDRESS',
    about: 'address of the bridge',
    aboutListening: 'one that other machines can reach needs a token file',
  }),
  port: whole(9999, {
    unit: 'PORT',
    max: 65_535,
    about: 'TCP port of the bridge',
    aboutListening: '0 takes a free one',
  }),
  socket: optionalPath({
    value: 'PATH',
    about: 'Unix socket of the bridge, for this user only; clients prefer it to host and port',
  }),
  tokenFile: optionalPath({
    value: 'FILE',
    about: 'file with the token that clients must show; readable by its owner only',
  }),
});

const Server = z.object({
  maxConnections: whole(1024, {
    unit: 'N',
    min: 1,
    max: 1_000_000,
    about: 'connections served at once; the limit of open files may lower it',
  }),
});

/** The engine that answers unless a question names another one, and what is special to it. */
const Engine = z.object({
  engine: optionalText({
    value: 'NAME',
    about:
      'what answers: extract (passages of the context file), claude, acp, openai, anthropic, fake (scripted, for tests), or the name of an [engines.NAME] table; by default the first such table, else extract',
    words: ENGINE_KINDS,
  }),
  engineModel: optionalText({ value: 'MODEL', about: 'model that the engine is to use' }),
  baseUrl: optionalUrl({
    value: 'URL',
    about: 'address of the model API, for claude, acp, openai and anthropic',
  }),
  claudePath: optionalPath({
    value: 'FILE',
    about: 'the claude program, for claude; by default the one on PATH',
  }),
  acpCommand: optionalText({
    value: 'COMMAND',
    about: 'the agent program with its arguments, for acp; words with blanks in quotes',
  }),
  keyFile: optionalPath({
    value: 'FILE',
    about: 'file with the key of the model API; readable by its owner only',
  }),
  keyEnv: variableName('variable that holds the key of the model API, for those without a file'),
  stateDir: optionalPath({
    value: 'DIR',
    about:
      'where claude conversations are remembered across restarts; by default below ~/.local/state/warmline, apart for each port',
  }),
  fakeDelayMs: whole(0, { unit: 'MS', about: 'how long the fake engine takes for a turn' }),
  fakeDeltas: whole(0, {
    unit: 'N',
    max: 10_000,
    about: 'in how many pieces the fake engine streams an answer',
  }),
});

const Context = z.object({
  contextRoot: paths(['.'], {
    value: 'DIR',
    about: 'directory that context files may come from',
  }),
  context: optionalText({
    value: 'FILE',
    about: 'context file for questions that name none; by default SESSION-RESUME.md or README.md',
  }),
  contextMaxBytes: whole(16 * MIB, {
    unit: 'BYTES',
    min: 1,
    max: 1024 * MIB,
    about: 'largest context file',
  }),
});

const Sessions = z.object({
  maxSessions: whole(4, {
    unit: 'N',
    min: 1,
    max: 1024,
    about: 'sessions kept at once, the warm spares included',
  }),
  spares: whole(1, {
    unit: 'N',
    max: 1024,
    about: 'warm sessions kept ready beside the busy ones',
  }),
  maxQueued: whole(1024, {
    unit: 'N',
    max: 10_000_000,
    about: 'questions that may wait for a session; beyond it the answer is busy',
  }),
  sessionIdleMs: whole(600_000, {
    unit: 'MS',
    min: 1,
    about: 'idle time after which a surplus session is closed',
  }),
  sessionMaxTurns: whole(200, {
    unit: 'N',
    min: 1,
    about: 'turns after which a session is replaced',
  }),
  sessionMaxAgeMs: whole(21_600_000, {
    unit: 'MS',
    min: 1,
    about: 'age after which a session is replaced',
  }),
  sessionMaxBytes: whole(600 * MIB, {
    unit: 'BYTES',
    min: 1,
    about: 'memory at which a session is replaced',
  }),
  answerMaxChars: whole(16 * MIB, {
    unit: 'CHARS',
    min: 1,
    max: 20 * MIB,
    about: 'longest answer; an engine that says more is stopped',
  }),
  sessionOpenMs: whole(60_000, { unit: 'MS', min: 1, about: 'longest start of a session' }),
  firstByteMs: whole(120_000, {
    unit: 'MS',
    min: 1,
    about: 'longest wait for the first sign of life of a turn',
  }),
  questionTimeoutMs: whole(3_600_000, {
    unit: 'MS',
    min: 1,
    about: 'longest time from question to answer, waiting included',
  }),
});

/** Limits of one turn that the bridge and autopoll share. */
const Turns = z.object({
  idleGapMs: whole(120_000, {
    unit: 'MS',
    min: 1,
    about: 'longest silence of a running turn before it is given up',
  }),
  turnTimeoutMs: whole(300_000, {
    unit: 'MS',
    min: 1,
    about: 'longest turn of a question that names no time of its own',
  }),
});

const Bus = z.object({
  db: optionalPath({ value: 'FILE', about: 'the memory bus, an SQLite file' }),
  session: oneOf(['a', 'b'], 'b', {
    value: 'SIDE',
    about: 'the side of a conversation that is answered for, a or b',
  }),
});

const Mcp = z.object({
  mcpCallsPerMinute: whole(120, {
    unit: 'N',
    max: 1_000_000,
    about:
      'calls of MCP tools a minute, for each side of a conversation and for all calls without one; 0 means no limit',
  }),
});

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

const Process = z.object({
  logLevel: oneOf(LOG_LEVELS, 'info', {
    value: 'LEVEL',
    about: `least weighty log lines written: ${LOG_LEVELS.join(', ')}`,
  }),
  drainMs: whole(20_000, {
    unit: 'MS',
    max: 3_600_000,
    about: 'how long a stopping program waits for what runs',
  }),
  watchdogMs: whole(15_000, {
    unit: 'MS',
    about: 'how long the event loop may stand still before the process ends itself; 0 means never',
  }),
  failpoints: optionalText({
    value: 'LIST',
    about:
      'where this process is to be killed, stopped or to fail, for tests; docs/chaos.md lists them',
  }),
  history: optionalPath({
    value: 'FILE',
    about: 'file that this process appends to what it does with each question, for tests',
  }),
});

export const SECTIONS = {
  address: Address,
  server: Server,
  http: Http,
  engine: Engine,
  context: Context,
  sessions: Sessions,
  turns: Turns,
  bus: Bus,
  autopoll: Autopoll,
  warnings: Warnings,
  mcp: Mcp,
  process: Process,
} as const;

export type Section = keyof typeof SECTIONS;

export type Sections = { readonly [S in Section]: Readonly<z.infer<(typeof SECTIONS)[S]>> };

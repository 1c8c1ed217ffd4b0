/**
 * Every setting of every program of warmline, by the room that uses it. Keys are unique across
 * rooms, because people write them flat: `contextRoot` here is the flag `--context-root`, the
 * variable `WARMLINE_CONTEXT_ROOT` and the key `context_root` of the config file.
 */
import { z } from 'zod';
import { ENGINE_KINDS } from './engine-keys.js';
import {
  oneOf,
  onOff,
  optionalList,
  optionalPath,
  optionalText,
  optionalUrl,
  optionalWebhook,
  paths,
  portOrOff,
  text,
  texts,
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
  httpPort: portOrOff(3010, {
    about: 'port of the HTTP door, at the same address; 0 takes a free one',
  }),
  httpTasks: whole(5, {
    unit: 'N',
    min: 1,
    max: 256,
    about: 'tasks of the HTTP door at work at once, those of sticky sessions aside',
  }),
  httpMaxTasks: whole(1000, {
    unit: 'N',
    min: 1,
    max: 100_000,
    about: 'unfinished tasks of the HTTP door; beyond it the answer is busy',
  }),
  httpMaxRequests: whole(256, {
    unit: 'N',
    min: 1,
    max: 100_000,
    about: 'questions that the HTTP door holds open at once; beyond it the answer is busy',
  }),
  httpName: texts(/^[A-Za-z0-9.-]{1,253}$/, {
    value: 'NAME',
    expects: 'host names such as models.example.org',
    about: 'name that the HTTP door is called by, beside localhost and its own addresses',
  }),
  httpOrigin: texts(/^https?:\/\/[A-Za-z0-9.-]+(:\d{1,5})?$/, {
    value: 'ORIGIN',
    expects: 'origins such as https://app.example.org',
    about: 'web page that may call the HTTP door from a browser; no other may',
  }),
  strictModels: onOff({
    about: 'the HTTP door refuses models that no engine claims, instead of the default engine',
  }),
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

const Autopoll = z.object({
  conversation: texts(/^conv_[a-f0-9]{16}$/, {
    value: 'ID',
    expects: 'conversation ids such as conv_0123456789abcdef',
    about: 'conversation to answer in; without any, all of them',
  }),
  includeExpired: onOff({ about: 'answer questions of expired conversations as well' }),
  sticky: onOff({ about: 'the questions of a conversation share one session and its context' }),
  concurrency: whole(32, {
    unit: 'N',
    min: 1,
    max: 4096,
    about: 'questions in flight at once, for each engine',
  }),
  shardId: text('warmline', { value: 'NAME', about: 'how answers name who wrote them' }),
  leaseMs: whole(30_000, {
    unit: 'MS',
    min: 100,
    about: 'how long a claim on a question holds unless it is renewed',
  }),
  renewEveryMs: whole(10_000, {
    unit: 'MS',
    min: 10,
    about: 'how often the claims on running turns are renewed',
  }),
  reapEveryMs: whole(5_000, {
    unit: 'MS',
    min: 10,
    about: 'how often questions of dead or stuck holders are looked for',
  }),
  fallbackEveryMs: whole(1_000, {
    unit: 'MS',
    min: 10,
    max: 3_600_000,
    about:
      'how often the bus is looked at in case the system told of no change; otherwise a new question is noticed at once',
  }),
  heartbeatEveryMs: whole(30_000, {
    unit: 'MS',
    min: 100,
    max: 110_000,
    about: 'how often partners are told that this side lives; after 120 s they take it for dead',
  }),
  maxAttempts: whole(3, {
    unit: 'N',
    min: 1,
    max: 100,
    about: 'attempts at a question before it gets an error answer',
  }),
  retryBaseMs: whole(500, {
    unit: 'MS',
    min: 1,
    about: 'wait before the second attempt; doubled for each one after it',
  }),
  retryMaxMs: whole(60_000, { unit: 'MS', min: 1, about: 'longest wait between attempts' }),
  scheduleToCloseMs: whole(3_600_000, {
    unit: 'MS',
    min: 1,
    about: 'time that the failed attempts at a question may take together; after it none follows',
  }),
  stopTurnMs: whole(30_000, {
    unit: 'MS',
    min: 100,
    about: 'longest wait for a turn that is given up to have stopped, before it is tried again',
  }),
  connectMs: whole(10_000, {
    unit: 'MS',
    about: 'how long autopoll --once waits for a bridge',
  }),
  spoolDir: optionalPath({
    value: 'DIR',
    about:
      'where finished answers are kept while the bus cannot be written; by default below ~/.local/state/warmline',
  }),
  checkEveryMs: whole(3_600_000, {
    unit: 'MS',
    max: 604_800_000,
    about: 'how often the bus is looked through for damage; 0 means never',
  }),
  retentionDays: whole(90, {
    unit: 'DAYS',
    min: 8,
    max: 36_500,
    about: 'how long finished questions and their attempts are kept',
  }),
  adaptiveTimeouts: onOff({
    about:
      'learn the time of a turn, by conversation and engine, from those of the last seven days',
  }),
  adaptiveFloorMs: whole(30_000, {
    unit: 'MS',
    min: 1,
    about: 'shortest time of a turn that is learned or applied',
  }),
  adaptiveCeilingMs: whole(3_600_000, {
    unit: 'MS',
    min: 1,
    about: 'longest time of a turn that is learned or applied',
  }),
});

/** When people are told that something is wrong; 0 turns a warning off. */
const Warnings = z.object({
  warnOldestMs: whole(600_000, { unit: 'MS', about: 'a question waits for so long' }),
  warnBacklogGrowth: whole(1_000, {
    unit: 'N',
    about: 'so many more questions wait than within the last five minutes',
  }),
  warnEmptyMs: whole(0, { unit: 'MS', about: 'no question has come for so long, after some had' }),
  warnStarvedMs: whole(60_000, {
    unit: 'MS',
    about: 'questions could be asked, and none is for so long',
  }),
  warnFailurePercent: whole(50, {
    unit: 'PERCENT',
    max: 100,
    about: 'so much of the turns of an engine failed within the last five minutes',
  }),
  warnDead: whole(1, {
    unit: 'N',
    about: 'so many questions were given up within the last five minutes',
  }),
  warnReaperLateMs: whole(20_000, {
    unit: 'MS',
    about: 'leases of others have not been looked through for so long',
  }),
  warnWalBytes: whole(256 * MIB, { unit: 'BYTES', about: 'the WAL of the bus is so large' }),
  warnDiskBytes: whole(512 * MIB, { unit: 'BYTES', about: 'less is free where the bus is' }),
  warnClockJumpMs: whole(5_000, { unit: 'MS', about: 'the clock was set by so much' }),
  warnLockMs: whole(5_000, {
    unit: 'MS',
    about: 'another program kept the write lock of the bus for so long',
  }),
  warnCommand: optionalList({
    value: 'WORD',
    expects: 'a program and its arguments, one after the other',
    about: 'program that gets each warning as JSON on its standard input, and its arguments',
  }),
  warnUrl: optionalWebhook('address that gets each warning as JSON in a POST'),
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

/** The settings of autopoll: how it works through the bus, and when it warns. */
import { z } from 'zod';
import {
  onOff,
  optionalList,
  optionalPath,
  optionalWebhook,
  text,
  texts,
  whole,
} from './setting.js';

const MIB = 1024 * 1024;

export const Autopoll = z.object({
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
export const Warnings = z.object({
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

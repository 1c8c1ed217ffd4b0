/** What lies on disk: servers that meet there leave each other alone. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { Claim } from '../../../src/engines/claude/claim.js';
import { Conversations } from '../../../src/engines/claude/conversations.js';
import { Workplace } from '../../../src/engines/claude/workplace.js';
import { ConfigError } from '../../../src/errors.js';
import { isRunning, openSession, startEngine, tempDir } from './harness.js';

const CONVERSATION = '11111111-2222-3333-4444-555555555555';
const OTHER = '66666666-7777-8888-9999-000000000000';
const ID = Conversations.idOf('key', undefined);
const OTHER_ID = Conversations.idOf('other', undefined);

function logging() {
  const lines: string[] = [];
  return { lines, log: pino({ level: 'info' }, { write: (line) => void lines.push(line) }) };
}

const { log } = logging();

describe('the directory processes work in', () => {
  test('outlives a second server that was given the same and gave up', async () => {
    const stateDir = tempDir();
    const first = await startEngine({ stateDir });
    await (await openSession(first)).ask('hello');
    const second = await startEngine({ stateDir });
    const { ask } = await openSession(first);
    await second.close();
    expect((await ask('still there?')).answer).toBe('You asked: still there?');
    expect(existsSync(join(stateDir, 'claude-claude', 'empty'))).toBe(true);
    const { ask: askNext } = await openSession(first, { sticky: 'key' });
    expect((await askNext('and now?')).answer).toBe('You asked: and now?');
  });

  test.each([
    ['below a state directory', true],
    ['of its own', false],
  ])('is made again when somebody removed it: one %s', async (_, isKept) => {
    const workplace = await Workplace.make(isKept ? tempDir() : undefined);
    rmSync(workplace.path, { recursive: true });
    await workplace.ready();
    expect(existsSync(workplace.path)).toBe(true);
    await workplace.leave();
    expect(existsSync(workplace.path)).toBe(isKept);
  });

  test('that is gone costs no question', async () => {
    const stateDir = tempDir();
    const engine = await startEngine({ stateDir });
    rmSync(stateDir, { recursive: true });
    const { ask } = await openSession(engine, { sticky: 'key' });
    expect((await ask('hello')).answer).toBe('You asked: hello');
    await engine.close();
    expect(existsSync(join(stateDir, 'claude-claude', 'conversations.json'))).toBe(true);
  });

  test('is emptied, but nothing that a link in its place leads to', async () => {
    const home = tempDir();
    const precious = tempDir();
    writeFileSync(join(precious, 'file'), 'precious');
    symlinkSync(precious, join(home, 'empty'));
    const { path } = await Workplace.make(home);
    expect(readdirSync(path)).toEqual([]);
    expect(readFileSync(join(precious, 'file'), 'utf8')).toBe('precious');
  });

  test('that cannot be made is said at the start, with what to change', async () => {
    const stateDir = join(tempDir(), 'taken');
    writeFileSync(stateDir, '');
    const starting = startEngine({ stateDir });
    await expect(starting).rejects.toThrow(ConfigError);
    await expect(starting).rejects.toThrow(/state_dir/);
  });
});

describe('conversations of two servers with one state directory', () => {
  test('are remembered by the first; the second says what to change, once', async () => {
    const file = join(tempDir(), 'conversations.json');
    const first = new Conversations(file, log);
    const { lines, log: heard } = logging();
    const second = new Conversations(file, heard);
    second.set(OTHER_ID, OTHER);
    first.set(ID, CONVERSATION);
    expect(second.get(ID)).toBeUndefined();
    expect(second.get(OTHER_ID)).toBe(OTHER);
    await Promise.all([first.close(), second.close()]);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ [ID]: CONVERSATION });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('give this one a state_dir or port of its own');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ keeper: process.pid });
  });

  test('are remembered by the second, all of them, once the first is gone', async () => {
    const file = join(tempDir(), 'conversations.json');
    const first = new Conversations(file, log);
    const second = new Conversations(file, log);
    first.set(ID, CONVERSATION);
    second.set(OTHER_ID, OTHER);
    await first.close();
    expect(second.get(ID)).toBe(CONVERSATION);
    second.drop(ID);
    second.set(ID, OTHER);
    await second.close();
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ [ID]: OTHER, [OTHER_ID]: OTHER });
  });

  test('nothing but the conversations is left of servers that are gone', async () => {
    const home = tempDir();
    const file = join(home, 'conversations.json');
    writeFileSync(`${file}.cut-off.tmp`, '{');
    const conversations = new Conversations(file, log);
    conversations.set(ID, CONVERSATION);
    await conversations.close();
    expect(readdirSync(home)).toEqual(['conversations.json']);
  });

  test('a link where a draft could be is not written through', async () => {
    const home = tempDir();
    const file = join(home, 'conversations.json');
    const victim = join(tempDir(), 'victim');
    writeFileSync(victim, 'precious');
    symlinkSync(victim, `${file}.${process.pid}.tmp`);
    const conversations = new Conversations(file, log);
    conversations.set(ID, CONVERSATION);
    await conversations.close();
    expect(readFileSync(victim, 'utf8')).toBe('precious');
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({ [ID]: CONVERSATION });
  });
});

describe('a claim', () => {
  test('is held by one, until it is dropped', () => {
    const home = tempDir();
    const [first, second] = [new Claim(home), new Claim(home)];
    expect(first.take()).toEqual({ held: true });
    expect(second.take()).toEqual({ held: false, by: process.pid });
    expect(first.take()).toEqual({ held: true });
    first.drop();
    expect(second.take()).toEqual({ held: true });
    expect(first.take()).toEqual({ held: false, by: process.pid });
  });

  test('of a server that was killed is taken over, also when its number is somebody else’s', () => {
    const home = tempDir();
    const gone = 4_194_305; // above any number Linux gives (proc_sys_kernel(5), pid_max)
    expect(isRunning(gone)).toBe(false);
    const left = [`owner-${gone}-77-0123abcd`, `owner-${process.pid}-1-0123abcd`];
    mkdirSync(home, { recursive: true });
    for (const name of left) writeFileSync(join(home, name), '');
    expect(new Claim(home).take()).toEqual({ held: true });
    for (const name of left) expect(existsSync(join(home, name))).toBe(false);
  });

  test('is taken again when somebody removed it', () => {
    const home = tempDir();
    const claim = new Claim(home);
    claim.take();
    rmSync(home, { recursive: true });
    expect(claim.take()).toEqual({ held: true });
    expect(new Claim(home).take()).toMatchObject({ held: false });
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { readHistory } from '../../chaos/checker/read.js';
import { ConfigError } from '../../src/errors.js';
import {
  armFailpoints,
  closeHistory,
  disarmFailpoints,
  FAILPOINTS,
  failpoint,
  note,
  openHistory,
  parseFailpoints,
} from '../../src/failpoints/index.js';
import { Program, tempDir, until, warmline } from '../support/process.js';

const ROOT = resolve(import.meta.dirname, '../..');
const PASSER = join(import.meta.dirname, 'passer.mjs');

afterEach(() => {
  disarmFailpoints();
  closeHistory();
});

/** Runs a program that passes `ans.commit` again and again. */
function passer(failpoints: string): { readonly program: Program; readonly history: string } {
  const history = join(tempDir(), 'history.jsonl');
  return { program: new Program(process.execPath, [PASSER, failpoints, history]), history };
}

test('each failpoint of the list is one place in the code, and each place is on the list', () => {
  const files = ['src', 'clients'].flatMap((directory) =>
    readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join(ROOT, directory, file)),
  );
  const places = files.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/\bfailpoint\('([^']*)'\)/g)].map(([, name]) => name),
  );
  expect(places.sort()).toEqual(Object.keys(FAILPOINTS).sort());
});

test('the docs list every failpoint with its moment', () => {
  const page = readFileSync(join(ROOT, 'docs/chaos.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z]+\.[a-z]+)` \| (.+) \|$/gm)];
  expect(Object.fromEntries(rows.map(([, name, moment]) => [name, moment]))).toEqual(FAILPOINTS);
});

describe('what is written to set them', () => {
  test('a name, an action, and the number of the time it acts', () => {
    expect(parseFailpoints('ans.commit:kill@3, reap.select:stop,claim.pre:delay:20')).toEqual([
      { name: 'ans.commit', action: { do: 'kill' }, at: 3 },
      { name: 'reap.select', action: { do: 'stop' }, at: 1 },
      { name: 'claim.pre', action: { do: 'delay', ms: 20 }, at: undefined },
    ]);
  });

  test.each([
    ['nowhere:kill', /"nowhere" is not known; there are claim\.pre, /],
    ['constructor:kill', /"constructor" is not known/],
    ['ans.commit:explode', /the action must be kill, stop, throw or delay:MS/],
    ['ans.commit:delay:9999999', /at most 600000 ms/],
    ['ans.commit:kill@0', /write name:action/],
    ['ans.commit', /write name:action/],
    ['ans.commit:kill,ans.commit:stop', /"ans.commit" is set twice/],
  ])('%s is refused with what there is instead', (text, message) => {
    expect(() => parseFailpoints(text)).toThrow(ConfigError);
    expect(() => parseFailpoints(text)).toThrow(message);
  });

  test('a program that does not understand it does not start, and lists the names', async () => {
    const words = ['serve', '--port', '0', '--engine', 'fake'];
    const env = { WARMLINE_FAILPOINTS: 'ans.comit:kill' };
    const { code, stderr } = await warmline(words, { cwd: tempDir(), env });
    expect(code).toBe(78);
    for (const name of Object.keys(FAILPOINTS)) expect(stderr).toContain(name);
  });
});

describe('a failpoint', () => {
  test('does nothing where nobody set it', () => {
    armFailpoints('ans.begin:throw');
    for (let time = 0; time < 3; time += 1) failpoint('ans.commit');
    disarmFailpoints();
    expect(() => failpoint('ans.begin')).not.toThrow();
  });

  test('throws the time it was told to, and only then', () => {
    armFailpoints('ans.commit:throw@2');
    failpoint('ans.commit');
    expect(() => failpoint('ans.commit')).toThrow('failpoint ans.commit was set to throw');
    failpoint('ans.commit');
  });

  test('kills its process before anything else happens, and leaves a line in the history', async () => {
    const { program, history } = passer('ans.commit:kill@3');
    expect(await program.ended).toMatchObject({
      signal: 'SIGKILL',
      stdout: 'passed 1\npassed 2\n',
    });
    expect(readHistory(history)).toMatchObject([
      { what: 'failpoint', name: 'ans.commit', action: 'kill', pid: program.pid },
    ]);
  });

  test('stops its process on the spot, until somebody lets it go on', async () => {
    const { program } = passer('ans.commit:stop@2');
    await until(() => / T /.test(readFileSync(`/proc/${program.pid}/stat`, 'utf8')));
    expect(program.stdout).toBe('passed 1\n');
    program.child.kill('SIGCONT');
    await program.says(/passed 2/);
  });

  test('that delays lets its process go on by itself', async () => {
    const { program } = passer('ans.commit:delay:20');
    await program.says(/passed 3/);
  });
});

describe('the history', () => {
  test('is written only when a file is named', () => {
    const file = join(tempDir(), 'history.jsonl');
    note({ what: 'asked', question: 1, conversation: 'c' });
    openHistory(file);
    note({ what: 'asked', question: 2, conversation: 'c' });
    closeHistory();
    note({ what: 'asked', question: 3, conversation: 'c' });
    expect(readHistory(file)).toMatchObject([{ what: 'asked', question: 2, pid: process.pid }]);
  });

  test('goes on where it was, with the clock that all processes share', () => {
    const file = join(tempDir(), 'history.jsonl');
    for (const question of [1, 2]) {
      openHistory(file);
      note({ what: 'asked', question, conversation: 'c' });
    }
    const [first, second] = readHistory(file);
    expect(second?.mono_us).toBeGreaterThanOrEqual(first?.mono_us ?? Number.NaN);
    expect(first?.mono_us).toBeGreaterThan(0);
  });

  test('that cannot be written stops a program before it starts', () => {
    expect(() => openHistory(join(tempDir(), 'no/such/directory'))).toThrow(ConfigError);
  });
});

import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type ContextFile,
  type ContextRoots,
  createContextRoots,
} from '../../src/context/index.js';
import { ConfigError, toFault } from '../../src/errors.js';

const MAX = 1024 * 1024;
let base: string;
let root: string;
let outside: string;
let roots: ContextRoots;

beforeEach(async () => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'warmline-context-')));
  root = join(base, 'root');
  outside = join(base, 'outside');
  mkdirSync(join(root, 'notes'), { recursive: true });
  mkdirSync(outside);
  writeFileSync(join(root, 'guide.md'), 'guide text\n');
  writeFileSync(join(root, 'notes', 'deep.md'), 'deep text\n');
  writeFileSync(join(outside, 'secret.md'), 'secret text\n');
  roots = await createContextRoots({ roots: [root], maxBytes: MAX });
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

async function found(name: string | undefined, from = roots): Promise<ContextFile> {
  const file = await from.resolve(name);
  if (file === undefined) throw new Error('no context file was found');
  return file;
}

async function refusal(name: string, from = roots) {
  const error = await from.resolve(name).then(
    (file) => expect.fail(`${file?.path} was served`),
    (thrown: unknown) => toFault(thrown),
  );
  return { code: error.code, message: error.message };
}

test('a name of more levels than a path can sensibly have is not looked for', async () => {
  const { code, message } = await refusal(`${'x/'.repeat(2000)}guide.md`);
  expect(code).toBe('context_denied');
  expect(message).toContain('is not a usable file name');
});

describe('a file inside a root', () => {
  test('is found by its relative name and cited by its path below the root', async () => {
    const file = await found('notes/deep.md');
    expect(file).toMatchObject({
      name: 'notes/deep.md',
      path: join(root, 'notes', 'deep.md'),
      sizeBytes: 10,
    });
    expect((await file.read()).toString()).toBe('deep text\n');
  });

  test('is found by its absolute path, and by harmless detours', async () => {
    for (const name of [
      join(root, 'guide.md'),
      './guide.md',
      'notes/../guide.md',
      'notes//deep.md',
    ]) {
      expect((await found(name)).name).toMatch(/^(guide|notes\/deep)\.md$/);
    }
  });

  test('is found through a root that is itself a link, under either name of the root', async () => {
    symlinkSync(root, join(base, 'alias'));
    const aliased = await createContextRoots({ roots: [join(base, 'alias')], maxBytes: MAX });
    for (const name of ['guide.md', join(base, 'alias', 'guide.md'), join(root, 'guide.md')]) {
      expect(await found(name, aliased)).toMatchObject({ name: 'guide.md' });
    }
  });

  test('may be reached by a link that stays inside, and is cited by its real name', async () => {
    symlinkSync('notes/deep.md', join(root, 'link.md'));
    const file = await found('link.md');
    expect(file.name).toBe('notes/deep.md');
    expect((await file.read()).toString()).toBe('deep text\n');
  });

  test('may have spaces, accents and symbols in its name', async () => {
    for (const name of [
      'a b.md',
      'Übersicht é.md',
      '会議.md',
      '~home.md',
      '%2e%2e.md',
      "it's.md",
    ]) {
      writeFileSync(join(root, name), 'x');
      expect((await found(name)).name).toBe(name);
    }
  });

  test('is taken from the first root that has it', async () => {
    writeFileSync(join(outside, 'guide.md'), 'second guide');
    const both = await createContextRoots({ roots: [root, outside], maxBytes: MAX });
    expect((await (await found('guide.md', both)).read()).toString()).toBe('guide text\n');
    expect((await (await found('secret.md', both)).read()).toString()).toBe('secret text\n');
  });

  test('changes its identity with every change of its bytes', async () => {
    const seen = [(await found('guide.md')).identity];
    appendFileSync(join(root, 'guide.md'), 'more');
    seen.push((await found('guide.md')).identity);
    writeFileSync(join(root, 'other.md'), 'guide text\nmore');
    renameSync(join(root, 'other.md'), join(root, 'guide.md'));
    seen.push((await found('guide.md')).identity);
    expect(new Set(seen).size).toBe(3);
    expect((await found('guide.md')).identity).toBe(seen[2]);
  });

  test('edited between the check and the read gives the newer bytes', async () => {
    const file = await found('guide.md');
    writeFileSync(join(root, 'guide.md'), 'a longer guide text\n');
    expect((await file.read()).toString()).toBe('a longer guide text\n');
  });

  test('replaced again and again by a rename is read whole each time', async () => {
    const file = await found('guide.md');
    let saving = true;
    const saver = (async () => {
      for (let version = 0; saving; version += 1) {
        await writeFile(join(root, 'next.tmp'), `guide text ${version}\n`);
        await rename(join(root, 'next.tmp'), join(root, 'guide.md'));
      }
    })();
    const texts = new Set<string>();
    try {
      while (texts.size < 50) texts.add((await file.read()).toString());
    } finally {
      saving = false;
      await saver;
    }
    for (const text of texts) expect(text).toMatch(/^guide text( \d+)?\n$/);
  });

  test('a change is never missed by questions that ask at the same time', async () => {
    const before = found('guide.md');
    writeFileSync(join(root, 'guide.md'), 'changed while others ask');
    const after = await Promise.all(Array.from({ length: 50 }, () => found('guide.md')));
    await before;
    expect(new Set(after.map((file) => file.sizeBytes))).toEqual(new Set([24]));
  });
});

describe('a name that leads out', () => {
  test('is refused with the next step and without the real directories', async () => {
    const names = [
      '../outside/secret.md',
      'notes/../../outside/secret.md',
      join(outside, 'secret.md'),
    ];
    for (const name of [...names, '/etc/hostname', '/proc/self/environ', '..', '/']) {
      const { code, message } = await refusal(name);
      expect(code).toBe('context_denied');
      expect(message).toContain('--context-root');
      expect(message).not.toContain(root);
    }
  });

  test('is refused alike whether or not something is there', async () => {
    symlinkSync(outside, join(root, 'door'));
    symlinkSync(join(outside, 'nothing'), join(root, 'hole'));
    symlinkSync(join(outside, 'nothing.md'), join(root, 'hole.md'));
    const pairs = [
      ['../outside/secret.md', '../outside/absent.md'],
      [join(outside, 'secret.md'), join(outside, 'absent.md')],
      ['door/secret.md', 'door/absent.md'],
      ['door/secret.md', 'door/secret.md/below'],
      ['door/secret.md', 'hole/absent.md'],
      ['door/secret.md', 'hole.md'],
      ['door/secret.md', 'door/.hidden/../absent.md'],
    ] as const;
    for (const [present, absent] of pairs) {
      const one = await refusal(present);
      const other = await refusal(absent);
      expect(other.code).toBe(one.code);
      expect(other.message.replace(absent, '')).toBe(one.message.replace(present, ''));
    }
  });

  test('through a link, a chain of links or a loop of links is refused', async () => {
    symlinkSync(join(outside, 'secret.md'), join(root, 'out.md'));
    symlinkSync('out.md', join(root, 'chain.md'));
    symlinkSync('/dev/zero', join(root, 'zero.md'));
    symlinkSync('/proc/self/environ', join(root, 'environ.md'));
    symlinkSync('loop-b.md', join(root, 'loop-a.md'));
    symlinkSync('loop-a.md', join(root, 'loop-b.md'));
    for (const name of ['out.md', 'chain.md', 'zero.md', 'environ.md', 'loop-a.md']) {
      expect((await refusal(name)).code).toBe('context_denied');
    }
  });

  test('to a neighbour directory that merely starts like the root is refused', async () => {
    mkdirSync(`${root}-other`);
    writeFileSync(join(`${root}-other`, 'a.md'), 'x');
    expect((await refusal('../root-other/a.md')).code).toBe('context_denied');
    expect((await refusal(join(`${root}-other`, 'a.md'))).code).toBe('context_denied');
  });

  test('that appears between the check and the read is refused', async () => {
    const file = await found('guide.md');
    unlinkSync(join(root, 'guide.md'));
    symlinkSync(join(outside, 'secret.md'), join(root, 'guide.md'));
    await expect(file.read()).rejects.toMatchObject({ code: 'context_denied' });
  });

  test('through a directory swapped for a link between the check and the read is refused', async () => {
    writeFileSync(join(outside, 'deep.md'), 'another secret');
    const file = await found('notes/deep.md');
    renameSync(join(root, 'notes'), join(root, 'moved'));
    symlinkSync(outside, join(root, 'notes'));
    await expect(file.read()).rejects.toMatchObject({ code: 'context_denied' });
  });
});

describe('what is not a plain file', () => {
  test('a FIFO without a writer is refused at once, also when it appears after the check', async () => {
    execFileSync('mkfifo', [join(root, 'pipe.md')]);
    expect((await refusal('pipe.md')).code).toBe('context_denied');
    const file = await found('guide.md');
    renameSync(join(root, 'pipe.md'), join(root, 'guide.md'));
    await expect(file.read()).rejects.toMatchObject({ code: 'context_denied' });
  });

  test('directories are refused, the root itself included', async () => {
    for (const name of ['notes', 'notes/', '.', './', root]) {
      expect((await refusal(name)).code).toBe('context_denied');
    }
  });

  test('devices and kernel files are refused or served empty, never read without end', async () => {
    const dev = await createContextRoots({ roots: ['/dev'], maxBytes: MAX });
    for (const name of ['zero', 'null', 'tty']) {
      expect((await refusal(name, dev)).code).toBe('context_denied');
    }
    const proc = await createContextRoots({ roots: ['/proc/self'], maxBytes: MAX });
    const environ = await proc.resolve('environ').catch(() => undefined);
    expect((await environ?.read())?.length ?? 0).toBe(0);
  });

  test('dot files and dot directories are refused, also behind an innocent link', async () => {
    mkdirSync(join(root, '.git'));
    writeFileSync(join(root, '.git', 'config'), 'x');
    writeFileSync(join(root, '.env'), 'KEY=1');
    symlinkSync('.env', join(root, 'env.md'));
    for (const name of [
      '.env',
      '.git/config',
      'notes/../.env',
      'env.md',
      join(root, '.env'),
      '...',
    ]) {
      expect((await refusal(name)).code).toBe('context_denied');
    }
  });

  test('a root below a dot directory is fine: only what lies below the root counts', async () => {
    mkdirSync(join(base, '.bus'));
    writeFileSync(join(base, '.bus', 'a.md'), 'x');
    const hidden = await createContextRoots({ roots: [join(base, '.bus')], maxBytes: MAX });
    expect((await found('a.md', hidden)).name).toBe('a.md');
  });
});

describe('sizes', () => {
  test('a file over the limit is refused, one at the limit is served', async () => {
    writeFileSync(join(root, 'exact.md'), Buffer.alloc(MAX));
    writeFileSync(join(root, 'over.md'), Buffer.alloc(MAX + 1));
    expect((await (await found('exact.md')).read()).length).toBe(MAX);
    const { code, message } = await refusal('over.md');
    expect(code).toBe('context_too_large');
    expect(message).toContain(String(MAX));
  });

  test('a sparse file of a terabyte is refused without reading it', async () => {
    writeFileSync(join(root, 'huge.md'), '');
    truncateSync(join(root, 'huge.md'), 1024 ** 4);
    expect((await refusal('huge.md')).code).toBe('context_too_large');
  });

  test('a file that grew over the limit after the check is refused', async () => {
    const file = await found('guide.md');
    truncateSync(join(root, 'guide.md'), MAX + 1);
    await expect(file.read()).rejects.toMatchObject({ code: 'context_too_large' });
  });

  test('a file that vanished after the check is reported missing', async () => {
    const file = await found('guide.md');
    unlinkSync(join(root, 'guide.md'));
    await expect(file.read()).rejects.toMatchObject({ code: 'context_missing' });
  });
});

describe('odd names', () => {
  test('an absent file is missing, and the message says what to do', async () => {
    for (const name of ['absent.md', 'notes/absent.md', 'guide.md/below', 'no/such/dir.md']) {
      const { code, message } = await refusal(name);
      expect(code).toBe('context_missing');
      expect(message).toContain('--context-root');
      expect(message).not.toContain(root);
    }
  });

  test('NUL bytes, control characters, lone surrogates and over-long names are refused', async () => {
    const names = ['guide.md\0', '\0', 'a\nb.md', '\ud800.md', 'x'.repeat(300), 'a/'.repeat(5000)];
    for (const name of names) {
      const { code, message } = await refusal(name);
      expect(code).toBe('context_denied');
      expect(message).toMatch(/^[^\p{Cc}\p{Cs}]{1,400}$/u);
    }
  });

  test('no name whatever reaches a byte outside the roots', async () => {
    symlinkSync(outside, join(root, 'door'));
    symlinkSync('..', join(root, 'up'));
    const part = fc.constantFrom(
      ...['..', '.', '', 'door', 'up', 'outside', 'root', 'notes', 'secret.md', 'guide.md'],
      ...['deep.md', '\0', '%2e%2e', '․․', '..\u200b', '\\..\\', 'proc', 'self', 'environ', root],
    );
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 8 }), fc.boolean(), async (parts, absolute) => {
        const name = (absolute ? '/' : '') + parts.join('/');
        const outcome = await roots.resolve(name).then(
          async (file) => (await file?.read())?.toString() ?? '',
          (error: unknown) => toFault(error).code,
        );
        const allowed = ['guide text\n', 'deep text\n', 'context_denied', 'context_missing'];
        expect(allowed).toContain(outcome);
      }),
      { numRuns: 500 },
    );
  });
});

describe('the default context', () => {
  const asked = async (from: ContextRoots) => (await from.resolve(undefined))?.name;

  test('is SESSION-RESUME.md, else README.md, else nothing', async () => {
    expect(await asked(roots)).toBeUndefined();
    writeFileSync(join(root, 'README.md'), 'x');
    expect(await asked(roots)).toBe('README.md');
    writeFileSync(join(root, 'SESSION-RESUME.md'), 'x');
    expect(await asked(roots)).toBe('SESSION-RESUME.md');
  });

  test('that cannot be served is passed over', async () => {
    mkdirSync(join(root, 'SESSION-RESUME.md'));
    writeFileSync(join(root, 'README.md'), 'x');
    expect(await asked(roots)).toBe('README.md');
  });

  test('set by the operator comes first, and its absence is said', async () => {
    writeFileSync(join(root, 'README.md'), 'x');
    const options = { roots: [root], maxBytes: MAX };
    const set = await createContextRoots({ ...options, defaultContext: 'notes/deep.md' });
    expect(await asked(set)).toBe('notes/deep.md');
    const wrong = await createContextRoots({ ...options, defaultContext: 'absent.md' });
    await expect(wrong.resolve(undefined)).rejects.toMatchObject({ code: 'context_missing' });
  });
});

describe('the roots', () => {
  test('a root that is missing or a file is a configuration error with the next step', async () => {
    for (const directory of [join(base, 'absent'), join(root, 'guide.md')]) {
      const made = createContextRoots({ roots: [directory], maxBytes: MAX });
      await expect(made).rejects.toBeInstanceOf(ConfigError);
      await expect(made).rejects.toThrow(directory);
    }
  });

  test('without a root every name is refused and there is no default', async () => {
    const none = await createContextRoots({ roots: [], maxBytes: MAX });
    expect((await refusal('guide.md', none)).code).toBe('context_denied');
    expect(await none.resolve(undefined)).toBeUndefined();
  });

  test('a hard link inside a root is an ordinary file of that root', async () => {
    linkSync(join(root, 'guide.md'), join(root, 'same.md'));
    expect((await found('same.md')).identity).toBe((await found('guide.md')).identity);
  });
});

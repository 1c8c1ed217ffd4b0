import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Program } from '../support/process.js';

const CHILD = join(import.meta.dirname, 'children/lifecycle.mjs');

function live(what: string): Program {
  return new Program(process.execPath, [CHILD, what]);
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s lets the process drain and end with 0',
  async (signal) => {
    const program = live('well');
    await program.says(/runs/);
    const { code, stdout, stderr } = await program.kill(signal);
    expect(code).toBe(0);
    expect(stdout).toContain('may drain for 60000 ms');
    expect(stderr).toContain(`"why":"${signal}"`);
  },
);

test.each(['throws', 'rejects'])(
  'after a failure that nobody caught (%s) it is logged, nothing is drained, and the code is 1',
  async (what) => {
    const { code, stdout, stderr } = await live(what).ended;
    expect(code).toBe(1);
    expect(stdout).toContain('may drain for 0 ms');
    expect(stderr).toContain('by nobody in particular');
    expect(stderr).toContain('"stack"');
  },
);

test('a second signal ends a process that hangs in its stop', async () => {
  const program = live('hangs');
  await program.says(/runs/);
  program.child.kill('SIGTERM');
  await program.says(/may drain/);
  expect(await program.kill('SIGINT')).toMatchObject({ code: 1 });
});

test('what fails at the start fails as it is, for its caller to explain', async () => {
  const { code, stdout, stderr } = await live('rejected-body').ended;
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('the body failed');
});

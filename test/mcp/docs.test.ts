import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import {
  getDefaultEnvironment,
  StdioClientTransport,
} from '@modelcontextprotocol/sdk/client/stdio.js';
import { expect, onTestFinished, test } from 'vitest';
import { CLI, makeBus, ROOT, tempDir } from '../e2e/warmline.js';
import { Program } from '../support/process.js';
import { startUp, toResult } from './client.js';

const PAGE = readFileSync(join(ROOT, 'docs/mcp.md'), 'utf8');

function example(language: string): string {
  const found = [...PAGE.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))];
  expect(found).toHaveLength(1);
  return found[0]?.[1] ?? '';
}

/** A directory with a bus, and how `warmline` is found there. */
async function project(): Promise<{ dir: string; env: Record<string, string> }> {
  const dir = tempDir();
  await makeBus(join(dir, 'bus.db'), 0);
  mkdirSync(join(dir, 'node_modules/.bin'), { recursive: true });
  // As an installation makes it: the file of a build alone may not be executable.
  const program = `#!/bin/sh\nexec '${process.execPath}' '${CLI}' "$@"\n`;
  writeFileSync(join(dir, 'node_modules/.bin/warmline'), program, { mode: 0o755 });
  symlinkSync(
    join(ROOT, 'node_modules/@modelcontextprotocol'),
    join(dir, 'node_modules/@modelcontextprotocol'),
  );
  writeFileSync(join(dir, 'package.json'), '{"private": true}');
  const PATH = `${join(dir, 'node_modules/.bin')}:${process.env.PATH}`;
  return { dir, env: { ...getDefaultEnvironment(), PATH } };
}

test('the configuration on the page starts the server', async () => {
  const { warmline } = JSON.parse(example('json')).mcpServers;
  const { dir: cwd, env } = await project();
  const transport = new StdioClientTransport({ ...warmline, cwd, env, stderr: 'pipe' });
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(transport);
  onTestFinished(() => client.close());
  const { tools } = await client.listTools();
  const table = PAGE.slice(PAGE.indexOf('| tool |'), PAGE.indexOf('| argument |'));
  const told = [...table.matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
  expect(told).toEqual(tools.map(({ name }) => name));
  const made = { my_role: 'one', partner_role: 'other' };
  const result = await client.callTool({ name: 'create_conversation', arguments: made });
  expect(toResult(result).isError).toBe(false);
});

test('each argument that a tool takes is on the page, and no other', async () => {
  const { dir: cwd, env } = await project();
  const client = new Client({ name: 'test', version: '1' });
  const args = ['mcp', '--db', 'bus.db'];
  await client.connect(
    new StdioClientTransport({ command: 'warmline', args, cwd, env, stderr: 'pipe' }),
  );
  onTestFinished(() => client.close());
  const { tools } = await client.listTools();
  const taken = new Set(
    tools.flatMap(({ inputSchema }) => Object.keys(inputSchema.properties ?? {})),
  );
  const table = PAGE.slice(PAGE.indexOf('| argument |'), PAGE.indexOf('Results come as'));
  const told = [...table.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, names = '']) =>
    names.replaceAll('`', '').split(', '),
  );
  expect(told.sort()).toEqual([...taken].sort());
});

test('the program on the page asks', async () => {
  const { dir, env } = await project();
  const port = await startUp(join(dir, 'bus.db'));
  writeFileSync(join(dir, 'example.mjs'), example('js'));
  const words = [join(dir, 'example.mjs'), join(dir, 'bus.db'), port];
  const { code, stdout, stderr } = await new Program(process.execPath, words, { cwd: dir, env })
    .ended;
  expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: 'fake: What is in the archive?\n' });
});

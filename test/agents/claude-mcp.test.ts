/** The real `claude` with `warmline mcp` as its MCP server. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { CLI, look } from '../e2e/warmline.js';
import { Program, processesNaming } from '../support/process.js';
import { atEnd, CLAUDE, startModel, tempDir, until } from './claude.js';

const claudeTest = test.skipIf(CLAUDE === undefined);

interface ToolResult {
  readonly is_error?: boolean;
  readonly content: unknown;
}

claudeTest('claude lists the tools and calls them', async () => {
  const dir = tempDir();
  const db = join(dir, 'bus.db');
  const bridge = new Program(process.execPath, [
    ...[CLI, 'up', '--db', db, '--create', '--port', '0', '--engine', 'fake'],
    ...['--http-port', 'off'],
  ]);
  const { port } = await bridge.ready();
  writeFileSync(
    join(dir, 'mcp.json'),
    JSON.stringify({
      mcpServers: {
        warmline: {
          command: process.execPath,
          args: [CLI, 'mcp', '--db', db, '--port', String(port)],
        },
      },
    }),
  );
  const asked = await callByClaude(dir, 'ask', { question: 'hello' });
  expect(JSON.stringify(asked.content)).toContain('fake: hello');
  const queued = await callByClaude(dir, 'ask_over_bus', { question: 'by-the-bus' });
  expect(JSON.stringify(queued.content)).toContain('fake: by-the-bus');
  expect(look(db).answers).toHaveLength(1);
  const refused = await callByClaude(dir, 'check_messages', {
    conversation_id: 'conv_0123456789abcdef',
    session_id: 'a',
    token: '0'.repeat(64),
  });
  expect(refused.is_error).toBe(true);
  expect(JSON.stringify(refused.content)).toContain('unauthorized');
  // As the system has command lines.
  const mark = ['mcp', '--db', db].join('\0');
  await until(() => processesNaming(mark).length === 0);
});

/** What claude hands to its model when that calls a tool. */
async function callByClaude(dir: string, tool: string, input: object): Promise<ToolResult> {
  const model = await startModel();
  const name = `mcp__warmline__${tool}`;
  const words = ['-p', `Go. [[fake: tool=${name}:${JSON.stringify(input)}]]`];
  const child = spawn(
    CLAUDE?.path ?? '',
    [
      ...words,
      ...['--mcp-config', 'mcp.json', '--strict-mcp-config', '--allowedTools', name],
      ...['--output-format', 'stream-json', '--verbose'],
    ],
    {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env.PATH,
        HOME: dir,
        ANTHROPIC_API_KEY: 'sk-ant-fake-key-of-a-test',
        ANTHROPIC_BASE_URL: model.url,
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      },
    },
  );
  atEnd(() => child.kill('SIGKILL'));
  const messages = (await text(child.stdout))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const [begun] = messages;
  expect(begun.mcp_servers).toMatchObject([{ name: 'warmline', status: 'connected' }]);
  expect(begun.tools).toContain(name);
  const blocks = messages.flatMap(({ type, message }) => (type === 'user' ? message.content : []));
  return blocks.find((block: { type: string }) => block.type === 'tool_result');
}

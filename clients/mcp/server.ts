/**
 * The MCP server of one connection, whatever it is carried by.
 *
 * On the SDK's `Server` rather than its `McpServer`: that one answers a plain call of a tool that can
 * be a task by polling, without progress and deaf to cancellation, and refuses bad arguments in words
 * of its own.
 */
import { Server } from '@modelcontextprotocol/sdk/server/index.js';
import type { RequestHandlerExtra } from '@modelcontextprotocol/sdk/shared/protocol.js';
import {
  CallToolRequestSchema,
  type CallToolResult,
  type CreateTaskResult,
  ErrorCode,
  type Tool as ListedTool,
  ListToolsRequestSchema,
  McpError,
  type ServerNotification,
  type ServerRequest,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { VERSION } from '../../src/version.js';
import { faultsOf } from './arguments.js';
import type { Backend } from './backend.js';
import { BRIDGE_TOOLS } from './bridge-tools.js';
import { failureReply, replyOf } from './failure.js';
import { PARTNER_TOOLS } from './partner-tools.js';
import { Progress } from './progress.js';
import { QUESTION_TOOLS } from './question-tools.js';
import { toResult } from './result.js';
import { QuestionTasks } from './tasks.js';
import type { Call, Reply, Tool } from './tool.js';

const TOOLS = new Map(
  [...BRIDGE_TOOLS, ...QUESTION_TOOLS, ...PARTNER_TOOLS].map((tool) => [tool.name, tool]),
);

const INSTRUCTIONS =
  'ask goes to a warm model session and waits. ask_over_bus does the same by a durable queue: watch_question and cancel_question follow it. The conversation tools talk to another session over the bus.';

type Extra = RequestHandlerExtra<ServerRequest, ServerNotification>;

/** A server for one connection: `await createMcpServer(backend).connect(transport)`. */
export function createMcpServer(backend: Backend): Server {
  const server = new Server(
    { name: 'warmline', version: VERSION },
    {
      capabilities: { tools: {}, tasks: { cancel: {}, requests: { tools: { call: {} } } } },
      instructions: INSTRUCTIONS,
      taskStore: new QuestionTasks(backend),
    },
  );
  const listed = [...TOOLS.values()].map(toListed);
  server.setRequestHandler(ListToolsRequestSchema, () => ({ tools: listed }));
  server.setRequestHandler(CallToolRequestSchema, async ({ params }, extra) => {
    const tool = TOOLS.get(params.name);
    if (tool === undefined) {
      throw new McpError(ErrorCode.InvalidParams, 'there is no such tool; tools/list names them');
    }
    return params.task === undefined
      ? await answer(backend, tool, params.arguments, extra)
      : await begin(backend, tool, params.arguments, extra);
  });
  server.onerror = ({ message }) =>
    backend.log.warn({ why: withoutTokens(message) }, 'a message that makes no sense');
  return server;
}

/** The error may quote what was sent. */
function withoutTokens(message: string): string {
  return message.replace(/[0-9a-f]{8,}/gi, '[redacted]').slice(0, 500);
}

function toListed({ name, description, input, isReadOnly, begin }: Tool): ListedTool {
  return {
    name,
    description,
    inputSchema: z.toJSONSchema(input, { io: 'input' }) as ListedTool['inputSchema'],
    annotations: { readOnlyHint: isReadOnly },
    ...(begin && { execution: { taskSupport: 'optional' } }),
  };
}

async function answer(
  backend: Backend,
  tool: Tool,
  given: unknown,
  extra: Extra,
): Promise<CallToolResult> {
  const progress = new Progress(progressSender(extra));
  const reply = await attempt(backend, tool, given, extra, (input) =>
    tool.run(input, { backend, signal: extra.signal, progress }),
  ).finally(() => progress.end());
  return toResult('failed' in reply ? reply.failed : reply.done);
}

/** @throws McpError: a task that could not be begun is no task */
async function begin(
  backend: Backend,
  tool: Tool,
  given: unknown,
  extra: Extra,
): Promise<CreateTaskResult> {
  const start = tool.begin;
  if (start === undefined) {
    throw new McpError(ErrorCode.MethodNotFound, `${tool.name} cannot be called as a task`);
  }
  const call: Call = { backend, signal: extra.signal, progress: new Progress(undefined) };
  const begun = await attempt(backend, tool, given, extra, (input) => start(input, call));
  if ('done' in begun) return { task: begun.done };
  throw new McpError(ErrorCode.InvalidRequest, begun.failed.text, begun.failed.data);
}

/** Nothing that goes wrong in a tool ends the server, or leaves a caller without an answer. */
async function attempt<T>(
  backend: Backend,
  tool: Tool,
  given: unknown,
  { signal }: Extra,
  work: (input: unknown) => Promise<T>,
): Promise<{ readonly done: T } | { readonly failed: Reply }> {
  const parsed = tool.input.safeParse(given ?? {});
  if (!parsed.success) return { failed: replyOf('bad_request', faultsOf(parsed.error)) };
  try {
    return { done: await backend.atWork(() => work(parsed.data)) };
  } catch (error) {
    const failed = failureReply(error);
    if (failed !== undefined) return { failed };
    // Nobody is told: the client wants no answer any more.
    if (signal.aborted) return { failed: replyOf('cancelled', 'the call was cancelled') };
    backend.log.error({ err: error, tool: tool.name }, 'a tool failed');
    return { failed: replyOf('internal', 'a fault of warmline; its log says more') };
  }
}

function progressSender({ _meta, sendNotification }: Extra) {
  const progressToken = _meta?.progressToken;
  if (progressToken === undefined) return undefined;
  return (progress: number, message: string) =>
    sendNotification({
      method: 'notifications/progress',
      params: { progressToken, progress, message },
    });
}

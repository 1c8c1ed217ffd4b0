/** OpenAI Responses: https://platform.openai.com/docs/api-reference/responses and …-streaming */
import {
  type Asked,
  BadRequest,
  type Dialect,
  type EventStream,
  type Reply,
  serverSentEvent,
  tokensOf,
} from '../dialect.js';
import { type JsonObject, objectsOf, stringOf, textsOf } from '../json.js';
import { problem } from './chat.js';

export const responses: Dialect = { api: 'responses', read, whole, stream, problem };

const SYSTEM_ROLES = ['system', 'developer'];

function read(body: JsonObject): Asked {
  if (stringOf(body.model) === '') throw new BadRequest("Missing required parameter: 'model'.");
  const items =
    typeof body.input === 'string' ? [{ role: 'user', texts: [body.input] }] : itemsOf(body.input);
  const last = items.at(-1);
  if (last === undefined) throw new BadRequest("Missing required parameter: 'input'.");
  const isSystem = ({ role }: { role: string }) => SYSTEM_ROLES.includes(role);
  const instructions = stringOf(body.instructions);
  const system = [instructions, ...items.filter(isSystem).flatMap(({ texts }) => texts)];
  return {
    model: stringOf(body.model),
    stream: body.stream === true,
    system: system.filter((text) => text !== '').join('\n'),
    messages: items
      .filter((item) => !isSystem(item))
      .map(({ role, texts }) => ({ role, text: texts.join('\n') })),
    asked: last.role === 'user' ? last.texts : [],
    prompt: [
      { text: instructions, mark: true },
      ...items.map(({ texts }) => ({ text: texts.join('\n'), mark: true })),
    ],
  };
}

/** Messages have a role; calls of tools and their outputs have a type instead. */
function itemsOf(input: unknown): { role: string; texts: string[] }[] {
  return objectsOf(input).map(({ role, type, content, output }) => ({
    role: stringOf(role) || stringOf(type),
    texts: textsOf(content ?? output),
  }));
}

type Status = 'in_progress' | 'completed' | 'incomplete' | 'failed';

function whole(reply: Reply, text: string): JsonObject {
  const item = reply.tool === undefined ? message(reply, text) : functionCall(reply);
  return response(reply, finalStatus(reply), text === '' && !reply.tool ? [] : [item], text);
}

function finalStatus({ stop }: Reply): Status {
  return stop === 'end' ? 'completed' : 'incomplete';
}

function response(reply: Reply, status: Status, output: JsonObject[], text = ''): JsonObject {
  const reason = { end: undefined, max_tokens: 'max_output_tokens', refusal: 'content_filter' };
  return {
    id: `resp_${reply.id}`,
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    status,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: reason[reply.stop] } : null,
    instructions: null,
    model: reply.asked.model,
    output,
    parallel_tool_calls: true,
    tools: [],
    usage: status === 'in_progress' ? null : usageOf(reply, text),
    metadata: {},
  };
}

function usageOf({ usage }: Reply, text: string): JsonObject {
  const input = usage.fresh + usage.cacheRead + usage.cacheWrite;
  const output = tokensOf(text.length);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cacheRead },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: input + output,
  };
}

function message({ id }: Reply, text: string, status: Status = 'completed'): JsonObject {
  const content = status === 'in_progress' ? [] : [part(text)];
  return { id: `msg_${id}`, type: 'message', status, role: 'assistant', content };
}

function part(text: string): JsonObject {
  return { type: 'output_text', text, annotations: [], logprobs: [] };
}

function functionCall({ id, tool }: Reply): JsonObject {
  return {
    id: `fc_${id}`,
    type: 'function_call',
    status: 'completed',
    call_id: `call_${id}`,
    name: tool?.name,
    arguments: JSON.stringify(tool?.input),
  };
}

function stream(reply: Reply): EventStream {
  let sequence_number = -1;
  let isOpen = false;
  const event = (type: string, data: JsonObject) => {
    sequence_number += 1;
    return serverSentEvent({ type, sequence_number, ...data }, type);
  };
  const place = { item_id: `msg_${reply.id}`, output_index: 0, content_index: 0 };
  const item = (type: string, item: JsonObject) => event(type, { output_index: 0, item });
  const open = () => {
    isOpen = true;
    return (
      item('response.output_item.added', message(reply, '', 'in_progress')) +
      event('response.content_part.added', { ...place, part: part('') })
    );
  };
  const close = (text: string) =>
    event('response.output_text.done', { ...place, text, logprobs: [] }) +
    event('response.content_part.done', { ...place, part: part(text) }) +
    item('response.output_item.done', message(reply, text));
  return {
    opening: () => {
      const begun = { response: response(reply, 'in_progress', []) };
      return event('response.created', begun) + event('response.in_progress', begun);
    },
    delta: (delta) =>
      (isOpen ? '' : open()) +
      event('response.output_text.delta', { ...place, delta, logprobs: [] }),
    toolCall: () => {
      const call = functionCall(reply);
      const at = { item_id: call.id, output_index: 0 };
      return (
        item('response.output_item.added', { ...call, status: 'in_progress', arguments: '' }) +
        event('response.function_call_arguments.delta', { ...at, delta: call.arguments }) +
        event('response.function_call_arguments.done', { ...at, arguments: call.arguments }) +
        item('response.output_item.done', call)
      );
    },
    closing: (text) => {
      const status = finalStatus(reply);
      return (
        (isOpen ? close(text) : '') + event(`response.${status}`, { response: whole(reply, text) })
      );
    },
    ping: () => ': ping\n\n',
    failure: () => {
      const error = { code: 'server_error', message: 'The server had an error.' };
      return event('response.failed', { response: { ...response(reply, 'failed', []), error } });
    },
  };
}

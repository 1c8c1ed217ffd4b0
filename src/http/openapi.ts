/**
 * `/openapi.json`: what the door answers, as OpenAPI 3.1, made from the same schemas that requests are
 * checked by. It is as open as the health checks: it tells nothing that the documentation does not.
 */
import { z } from 'zod';
import { VERSION } from '../version.js';
import { ChatCompletion, ChatRequest, ModelList } from './openai/schema.js';
import { ChangeEvent, ProgressEvent, ResetEvent } from './push/events.js';
import { Detail, ErrorReply, type Route, route } from './route.js';
import { ActiveTasks, TaskView } from './tasks/view.js';

/** Told once, under a name of their own. */
const NAMED: Readonly<Record<string, z.ZodType>> = {
  ActiveTasks,
  ChangeEvent,
  ChatCompletion,
  ChatRequest,
  Detail,
  Error: ErrorReply,
  ModelList,
  ProgressEvent,
  ResetEvent,
  Task: TaskView,
};
const NAMES = new Map(Object.entries(NAMED).map(([name, schema]) => [schema, name]));

const Document = z.looseObject({ openapi: z.string(), paths: z.looseObject({}) });

type Json = Readonly<Record<string, unknown>>;

/** @param routes all others; the one of the document itself is in it, too */
export function openApiRoute(routes: readonly Route[]): Route {
  const own: Route = route({
    method: 'GET',
    path: '/openapi.json',
    summary: 'This document',
    replies: { 200: Document },
    isOpen: true,
    serve: async () => {
      document ??= openApiDocument([...routes, own]);
      return document;
    },
  });
  let document: object | undefined;
  return own;
}

export function openApiDocument(routes: readonly Route[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const described of routes) {
    const path = described.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [described.method.toLowerCase()]: operation(described) };
  }
  const schemas = Object.fromEntries(
    Object.entries(NAMED).map(([name, schema]) => [name, jsonSchema(schema)]),
  );
  return {
    openapi: '3.1.0',
    info: {
      title: 'warmline',
      version: VERSION,
      description:
        'Questions to warm model sessions, as any OpenAI client asks them, and as tasks.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas,
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'Asked for when the server has a token file.',
        },
      },
    },
  };
}

function operation({ method, path, summary, body, query, headers, replies, isOpen }: Route): Json {
  const parameters = [
    ...[...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
      ...{ name, in: 'path', required: true, schema: { type: 'string' } },
    })),
    ...queryParameters(query),
    ...Object.entries(headers ?? {}).map(([name, description]) => ({
      ...{ name, in: 'header', description, schema: { type: 'string' } },
    })),
  ];
  return {
    operationId: operationId(method, path),
    summary,
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: { required: true, content: { 'application/json': media(body) } } }),
    responses: {
      ...Object.fromEntries(
        Object.entries(replies).map(([status, schema]) => [status, response(schema)]),
      ),
      default: {
        description: 'Any other failure',
        content: { 'application/json': media(ErrorReply) },
      },
    },
    security: isOpen ? [] : [{}, { token: [] }],
  };
}

/** `getV1PollingStatusId` */
function operationId(method: string, path: string): string {
  const words = path.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  const named = words.length === 0 ? ['root'] : words;
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1);
  return method.toLowerCase() + named.map(capital).join('');
}

function queryParameters(query: z.ZodType | undefined): Json[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = jsonSchema(query) as {
    readonly properties?: Readonly<Record<string, Json>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    ...{ name, in: 'query', required: required.includes(name), schema },
    ...(description !== undefined && { description }),
  }));
}

function response(schema: z.ZodType): Json {
  const { description = 'The answer', contentType } = (schema.meta() ?? {}) as {
    readonly description?: string;
    readonly contentType?: string;
  };
  if (schema instanceof z.ZodUndefined) return { description };
  const type = contentType ?? (schema instanceof z.ZodString ? '*/*' : 'application/json');
  return { description, content: { [type]: media(schema) } };
}

function media(schema: z.ZodType): Json {
  const name = NAMES.get(schema);
  return { schema: name === undefined ? jsonSchema(schema) : reference(name) };
}

function reference(name: string): Json {
  return { $ref: `#/components/schemas/${name}` };
}

/** As it comes in: a client may send what it likes beside it, and we may say more in later versions. */
function jsonSchema(schema: z.ZodType): Json {
  const { $schema, contentType, ...told } = z.toJSONSchema(schema, { io: 'input' }) as Json;
  return told;
}

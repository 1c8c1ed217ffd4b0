/** The description of the door: OpenAPI by its rules, of every call, and true of real replies. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { readEvents } from './event-reader.js';
import { ask, call, chat, ended, type Json, type Running, startTask, startUp } from './support.js';

const SOURCES = resolve(import.meta.dirname, '../../src/http');

interface Media {
  readonly schema: Json;
}

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly { name: string; in: string; required?: boolean; schema: Json }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, Media>> };
  readonly responses: Readonly<
    Record<string, { description: string; content?: Readonly<Record<string, Media>> }>
  >;
  readonly security: readonly Json[];
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
}

async function read({ url }: Running): Promise<Document> {
  return (await call(`${url}/openapi.json`)).body as unknown as Document;
}

function operations({ paths }: Document) {
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
  );
}

test('the document keeps the rules of OpenAPI 3.1', async () => {
  const document = await read(await startUp('--engine', 'fake'));
  expect(document.openapi).toBe('3.1.0');
  expect(document.info).toMatchObject({ title: 'warmline', version: expect.any(String) });
  const all = operations(document);
  const ids = all.map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { path, method, operation } of all) {
    expect(['get', 'post']).toContain(method);
    expect(operation.summary, path).not.toBe('');
    expect(Object.keys(operation.responses).length, path).toBeGreaterThan(1);
    const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    expect(inPath.every(({ required }) => required)).toBe(true);
    expect(inPath.map(({ name }) => `{${name}}`)).toEqual(path.match(/\{\w+\}/g) ?? []);
    for (const [status, { description, content = {} }] of Object.entries(operation.responses)) {
      expect(status).toMatch(/^(default|[1-5]\d\d)$/);
      expect(description).not.toBe('');
      for (const { schema } of Object.values(content))
        expect(() => toZod(document, schema)).not.toThrow();
    }
  }
});

test('every call is in it, and every call in it is answered', async () => {
  const server = await startUp('--engine', 'fake');
  const document = await read(server);
  const sources = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(SOURCES, name), 'utf8'))
    .join('\n');
  const described = [...sources.matchAll(/path: '(\/[^']*)'/g)].map(([, path = '']) => path);
  expect(described.length).toBeGreaterThan(10);
  const told = Object.keys(document.paths);
  const asTold = described.map((path) => path.replaceAll(/:(\w+)/g, '{$1}'));
  expect(asTold.filter((path) => !told.includes(path))).toEqual([]);
  for (const { path, method } of operations(document)) {
    if (path === '/v1/events') continue;
    const address = server.url + path.replaceAll(/\{\w+\}/g, 'nothing');
    const reply = await fetch(address, { method: method.toUpperCase() });
    const text = await reply.text();
    expect(text, path).not.toContain('there is no such address');
  }
});

test('what comes is what was described', async () => {
  const server = await startUp('--engine', 'fake');
  const document = await read(server);
  const fits = (path: string, method: string, { status, body }: { status: number; body: Json }) => {
    const operation = document.paths[path]?.[method];
    const responses = operation?.responses ?? {};
    const media = (responses[status] ?? responses.default)?.content?.['application/json'];
    const schema = toZod(document, media?.schema as Json);
    expect(() => schema.parse(body), `${method} ${path}: ${status}`).not.toThrow();
    // A reply that says more than its description is told by whom nobody can read.
    if (responses[status] !== undefined)
      expect(schema.safeParse({ nothing: 1 }).success).toBe(false);
  };
  const completion = await chat(server, ask('what is described?'));
  expect(completion.status).toBe(200);
  fits('/v1/chat/completions', 'post', completion);
  const id = await startTask(server, '!fake delay=300 deltas=3 later');
  fits('/v1/polling/status/{id}', 'get', await call(`${server.url}/v1/polling/status/${id}`));
  fits('/v1/polling/active', 'get', await call(`${server.url}/v1/polling/active`));
  await ended(server, id);
  fits('/v1/polling/status/{id}', 'get', await call(`${server.url}/v1/polling/status/${id}`));
  fits('/v1/polling/status/{id}', 'get', await call(`${server.url}/v1/polling/status/x`));
  const cancelled = await call(`${server.url}/v1/polling/cancel/${id}`, { method: 'POST' });
  fits('/v1/polling/cancel/{id}', 'post', cancelled);
  fits('/v1/chat/completions', 'post', await chat(server, { messages: [] }));
  fits('/v1/chat/completions', 'post', await chat(server, { messages: 7 }));
  fits('/v1/models', 'get', await call(`${server.url}/v1/models`));
  fits('/health', 'get', await call(`${server.url}/health`));
  fits('/readyz', 'get', await call(`${server.url}/readyz`));
  const events = await readEvents(`${server.url}/v1/polling/stream/${id}`);
  const [event] = await events.ended();
  const change = toZod(document, { $ref: '#/components/schemas/ChangeEvent' });
  expect(() => change.parse(event?.data)).not.toThrow();
  expect(() => change.parse({ ...event?.data, status: 'elsewhere' })).toThrow();
});

test('what the description refuses, the door refuses, and the other way round', async () => {
  const server = await startUp('--engine', 'fake');
  const document = await read(server);
  const body =
    document.paths['/v1/chat/completions']?.post?.requestBody?.content['application/json'];
  const schema = toZod(document, body?.schema as Json);
  const bodies: Json[] = [
    ask('plain'),
    ask('more', { temperature: 0.5, tools: [] }),
    ask('urgent', { priority: 7, user: 'ada', timeout: 5 }),
    ask('too urgent', { priority: 7000 }),
    ask('twice', { n: 2 }),
    ask('timeless', { timeout: -1 }),
    { messages: [{ role: 'nobody', content: 'x' }] },
    {},
  ];
  for (const sent of bodies) {
    const isFit = schema.safeParse(sent).success;
    expect((await chat(server, sent)).status === 200, JSON.stringify(sent)).toBe(isFit);
  }
});

/** The schema as zod understands it, references followed. */
function toZod({ components }: Document, schema: Json): z.ZodType {
  const name = /^#\/components\/schemas\/(\w+)$/.exec(String(schema.$ref ?? ''))?.[1];
  const found = name === undefined ? schema : components.schemas[name];
  if (found === undefined) throw new Error(`no schema ${name}`);
  return z.fromJSONSchema(found as Parameters<typeof z.fromJSONSchema>[0]);
}

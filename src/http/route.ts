/** A route, described once: what it serves, and what `/openapi.json` is to say of it. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { failure } from './errors.js';

export interface Call<B, Q = unknown> {
  /** Both checked against the route's schemas. */
  readonly body: B;
  readonly query: Q;
  readonly params: Readonly<Record<string, string>>;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

export interface Route<S extends z.ZodType = z.ZodType, Q extends z.ZodType = z.ZodType> {
  readonly method: 'GET' | 'POST';
  /** `/v1/polling/status/:id` */
  readonly path: string;
  readonly summary: string;
  /** Of a request with a body. */
  readonly body?: S;
  /** Of what stands behind the question mark; not looked at without it. */
  readonly query?: Q;
  /** Headers that it heeds, each with what it means. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The replies by status. */
  readonly replies: Readonly<Record<number, z.ZodType>>;
  /** Answers without a token: it tells nothing, and who asks has none. */
  readonly isOpen?: boolean;
  /** What it returns is sent; nothing, when it has seen to the reply itself. */
  readonly serve: (call: Call<z.infer<S>, z.infer<Q>>) => Promise<object | undefined>;
}

/** Keeps the types of a route's body and query and its `serve` together. */
export function route<S extends z.ZodType, Q extends z.ZodType>(described: Route<S, Q>): Route {
  return described as unknown as Route;
}

export function mount(app: FastifyInstance, described: Route): void {
  const { method, path, isOpen, serve } = described;
  app.route({
    method,
    url: path,
    config: { isOpen: isOpen === true },
    handler: async (request, reply) => {
      const params = request.params as Record<string, string>;
      const body = check(described.body, request.body);
      const query = check(described.query, request.query);
      const sent = await serve({ body, query, params, request, reply });
      return sent === undefined ? reply : reply.send(sent);
    },
  });
}

/** @throws HttpFailure that names the first field that is wrong */
function check(schema: z.ZodType | undefined, body: unknown): unknown {
  if (schema === undefined) return undefined;
  const checked = schema.safeParse(body);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const param = issue?.path.join('.') || null;
  const said = issue?.message ?? 'not understood';
  const what = param === null ? 'the body' : `the field "${param}"`;
  throw failure(400, 'bad_request', `${what}: ${said}`, param);
}

/** The envelope of errors, for the description of replies. */
export const ErrorReply = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    code: z.string(),
    param: z.string().nullable(),
  }),
});

/** The short form that some calls have for what is not there. */
export const Detail = z.object({ detail: z.string() });

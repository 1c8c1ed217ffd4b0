/** The files of the page: built with the package, read once, and open to all, for they hold nothing. */
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { z } from 'zod';
import { failure } from '../errors.js';
import { type Route, route } from '../route.js';

/** Beside `dist/src`, where this runs from. */
const DIRECTORY = join(import.meta.dirname, '../../../dashboard');
const PAGE = 'index.html';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * Nothing but the page's own files and this server, no script or style inside the page, and no text
 * that becomes markup: the browser itself refuses what a stored question might smuggle in.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
};

export function assetRoutes(): Route[] {
  const files = readFiles();
  return [
    asset('/', 'The dashboard', () => PAGE),
    asset('/dashboard/:file', 'A part of the dashboard', ({ file = '' }) => file),
  ];

  function asset(
    path: string,
    summary: string,
    nameOf: (params: Readonly<Record<string, string>>) => string,
  ): Route {
    return route({
      method: 'GET',
      path,
      summary,
      replies: { 200: z.string().describe('a file') },
      isOpen: true,
      serve: async ({ params, reply }) => {
        const name = nameOf(params);
        const content = files.get(name);
        if (content === undefined) {
          throw failure(404, 'not_found', 'the dashboard has no such file; was the package built?');
        }
        // The names of the others change with what is in them.
        const cache = name === PAGE ? 'no-cache' : 'public, max-age=31536000, immutable';
        reply
          .headers({ ...HEADERS, 'content-type': TYPES[extname(name)] ?? '' })
          .header('cache-control', cache)
          .send(content);
        return undefined;
      },
    });
  }
}

function readFiles(): ReadonlyMap<string, Buffer> {
  return new Map(names().map((name) => [name, readFileSync(join(DIRECTORY, name))]));
}

/** None where the sources run unbuilt. */
function names(): string[] {
  try {
    return readdirSync(DIRECTORY).filter((name) => extname(name) in TYPES);
  } catch {
    return [];
  }
}

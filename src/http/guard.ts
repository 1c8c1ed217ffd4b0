/**
 * Who may talk to the door. A web page that a person of this machine looks at can send requests to
 * its loopback addresses, and by a name of its own that leads there ("DNS rebinding") also read what
 * comes back. Its requests give themselves away by `Host`, `Origin` or `Sec-Fetch-Site`. Pure.
 */
import { isLoopback } from '../listening/index.js';

export interface SiteHeaders {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
}

export interface Site {
  /** The address of ours that the connection came to. */
  readonly localAddress: string | undefined;
  /** Names that the door is called by, beside `localhost`; lower case. */
  readonly names: ReadonlySet<string>;
  /** Origins whose pages may call the door; lower case. */
  readonly origins: ReadonlySet<string>;
}

export type SiteVerdict =
  | { readonly admit: 'program' | 'own page' }
  /** A page of another origin that the configuration names. */
  | { readonly admit: 'listed page'; readonly origin: string }
  | { readonly admit: 'no'; readonly status: 403 | 421; readonly message: string };

export function judgeSite(headers: SiteHeaders, site: Site): SiteVerdict {
  const host = headers.host?.toLowerCase() ?? '';
  if (!isOurName(hostName(host), site)) {
    return {
      admit: 'no',
      status: 421,
      message:
        'this server is not called by that name; use 127.0.0.1 or localhost, or name it with --http-name',
    };
  }
  const origin = headers.origin?.toLowerCase();
  if (origin !== undefined && site.origins.has(origin)) return { admit: 'listed page', origin };
  const isForeign = origin === undefined ? isCrossSite(headers.fetchSite) : !isOf(origin, host);
  if (isForeign) {
    return {
      admit: 'no',
      status: 403,
      message: 'pages of other origins may not call this server; allow one with --http-origin',
    };
  }
  return { admit: origin === undefined ? 'program' : 'own page' };
}

function hostName(host: string): string {
  return /^(\[[0-9a-f]*:[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?$/.exec(host)?.[1] ?? '';
}

/** An address written out leads to no other machine, so no name server of others can misuse it. */
function isOurName(name: string, { names, localAddress }: Site): boolean {
  const address = name.replace(/^\[|\]$/g, '');
  const local = localAddress?.replace(/^::ffff:/, '');
  return name === 'localhost' || names.has(name) || isLoopback(address) || address === local;
}

function isOf(origin: string, host: string): boolean {
  return origin === `http://${host}` || origin === `https://${host}`;
}

/** What browsers say of a request without `Origin`; `none` is a person who typed the address. */
function isCrossSite(fetchSite: string | undefined): boolean {
  return fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none';
}

/** The token of an `Authorization` header; undefined when there is none. */
export function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +([^\s]+) *$/i.exec(authorization ?? '')?.[1];
}

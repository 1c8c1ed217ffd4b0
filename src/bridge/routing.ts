/** Which engine a query means by its `model`, and which answers in its place: pure. */
import type { ErrorCode, WarmlineError } from '../errors.js';

export interface Routed {
  readonly name: string;
  readonly kind: string;
  readonly model: string;
  readonly aliases: readonly string[];
}

/** Clients of a hosted Claude put this before the names of its models. */
const CLAUDE_PREFIX = 'max/';

/** Finds the engine for a `model`. What nobody claims is the usual one's: clients have names built in. */
export function createRouter<E extends Routed>(
  engines: readonly E[],
  usual: E,
): (model: string | undefined) => E {
  const claims = createClaims(engines, usual);
  return (model) => (model === undefined ? usual : (claims(model) ?? usual));
}

/**
 * Finds the engine that claims a `model`: by name, by alias, by model (the usual engine's first); one
 * with the prefix `max/` is the Claude engine's, where there is one.
 */
export function createClaims<E extends Routed>(
  engines: readonly E[],
  usual: E,
): (model: string) => E | undefined {
  const known = new Map<string, E>();
  const add = (word: string, engine: E) => {
    if (!known.has(word)) known.set(word, engine);
  };
  for (const engine of engines) add(engine.name, engine);
  for (const engine of engines) for (const alias of engine.aliases) add(alias, engine);
  for (const engine of [usual, ...engines]) add(engine.model, engine);
  const claude = [usual, ...engines].find(isClaude);
  return (model) => {
    const found = known.get(model);
    if (found !== undefined || !model.startsWith(CLAUDE_PREFIX)) return found;
    const named = known.get(model.slice(CLAUDE_PREFIX.length));
    return named !== undefined && isClaude(named) ? named : claude;
  };
}

function isClaude({ kind }: Routed): boolean {
  return kind === 'claude';
}

/** The engine did not work on the query: another one may. */
const NOT_SERVED: ReadonlySet<ErrorCode> = new Set([
  'engine_unavailable',
  'engine_auth',
  'engine_limit',
]);

export function mayFallBack({ code }: WarmlineError): boolean {
  return NOT_SERVED.has(code);
}

/** Of the refusals of all engines that were asked, the one that passes first. */
export function firstToPass(
  refusals: readonly WarmlineError[],
  last: WarmlineError,
): WarmlineError {
  if (!mayFallBack(last)) return last;
  const waitMs = ({ retryAfterMs }: WarmlineError) => retryAfterMs ?? Number.POSITIVE_INFINITY;
  return refusals.reduce((best, other) => (waitMs(other) < waitMs(best) ? other : best), last);
}

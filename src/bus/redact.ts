/**
 * Takes secrets out of the values we write to the bus. Values only, never serialised JSON: a
 * redactor that works on JSON text turns valid rows into invalid ones.
 */
import { lintSource } from '@secretlint/core';
import { secretLintProfiler } from '@secretlint/profiler';
import { creator as recommended } from '@secretlint/secretlint-rule-preset-recommend';

const REDACTED = '[REDACTED]';

/**
 * No kind of secret below is shorter than this run of token characters or comes without one of
 * these words, so most texts are done after one cheap look. Of a run no more is looked at: one of
 * millions would overflow the stack of the matcher.
 */
const SUSPECT =
  /[A-Za-z0-9_+/=.~-]{16}|private key|:\/\/|passw|secret|api[_-]?key|token|bearer|basic/i;

/**
 * Each is linear in the text: a run of characters is tried from its beginning only, and what may
 * repeat is bounded or followed by something it cannot hold.
 *
 * Kinds the rule set leaves out or reports only inside known files. The first group, where there
 * is one, is kept; what follows it is the secret.
 */
const PATTERNS: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|$)/g,
  /\b(?:AKIA|ASIA|AGPA|AIDA|AROA)[0-9A-Z]{16}\b/g,
  /\bAIza[0-9A-Za-z_-]{35}/g,
  /\bsk-[A-Za-z0-9_-]{20,}/g,
  /\bgh[pousr]_[A-Za-z0-9]{20,}/g,
  /\bgithub_pat_[A-Za-z0-9_]{20,}/g,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/g,
  /(?<![\w-])eyJ[\w-]{8,4000}\.eyJ[\w-]{8,4000}\.[\w-]{0,4000}/g,
  /(:\/\/[^\s:@/]{1,64}:)[^\s@/]{1,256}(?=@)/g,
  /\b[sr]k_(?:live|test)_[A-Za-z0-9]{16,}/g,
  /\bgl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_.-]{20,}/g,
  /\bpypi-[A-Za-z0-9_-]{40,}/g,
  /\bhf_[A-Za-z0-9]{30,}/g,
  /\bnpm_[A-Za-z0-9]{36}/g,
  /\bGOCSPX-[A-Za-z0-9_-]{20,}/g,
  /\bya29\.[A-Za-z0-9_-]{20,}/g,
  /\b(AccountKey\s*=\s*)[A-Za-z0-9+/]{40,}={0,2}/gi,
  /\b(authorization["']?\s*[:=]\s*["']?basic\s+)[A-Za-z0-9+/]{8,}={0,2}/gi,
  /\b(bearer\s+)[A-Za-z0-9._~+/=-]{16,}/gi,
  /((?:aws_secret_access_key|secret[_-]?key|api[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret|password|passwd)\\?["']?\s*[:=]\s*\\?["']?)[^\s"'\\,;]{8,}/gi,
];

// The rule set times each of its steps and keeps every record for ever: megabytes in a day here.
secretLintProfiler.mark = () => undefined;

const RULES = { rules: [{ id: 'recommended', rule: recommended }] };

/** Whether a text could hold a secret at all; when false, `redact` would return it unchanged. */
export function isSuspect(text: string): boolean {
  return SUSPECT.test(text);
}

/**
 * The text with every known kind of secret replaced.
 * @throws RangeError for a run of some millions of token characters; cut longer texts first
 */
export async function redact(text: string): Promise<string> {
  if (!isSuspect(text)) return text;
  let clean = text;
  for (const pattern of PATTERNS) clean = clean.replace(pattern, keepPrefix);
  return redactByRules(clean);
}

/**
 * The same for a whole `message` as others write it: text, or JSON whose strings are looked at one by
 * one, each with the name it stands under, so that the row stays the JSON it was.
 */
export async function redactMessage(message: string): Promise<string> {
  if (!isSuspect(message)) return message;
  const root = { message: parseContainer(message) };
  if (root.message === undefined) return redact(message);
  let isChanged = false;
  // With a list of our own: a message may be nested deeper than calls can be.
  const open: object[] = [root];
  for (let holder = open.pop(); holder !== undefined; holder = open.pop()) {
    for (const [name, value] of Object.entries(holder)) {
      if (typeof value === 'object' && value !== null) open.push(value);
      if (typeof value !== 'string' || !isSuspect(`${name}=${value}`)) continue;
      const clean = await redactNamed(Array.isArray(holder) ? '' : `${name}=`, value);
      if (clean === value) continue;
      isChanged = true;
      Object.defineProperty(holder, name, { value: clean, enumerable: true });
    }
  }
  return isChanged ? (toJson(root.message) ?? redact(message)) : message;
}

/** Undefined for what is nested deeper than it can be written. */
function toJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}

/** A password alone looks like any word; the name it stands under tells. */
async function redactNamed(prefix: string, value: string): Promise<string> {
  const clean = await redact(prefix + value);
  return clean.startsWith(prefix) ? clean.slice(prefix.length) : REDACTED;
}

/** The object or list that a text is the JSON of; undefined for any other text. */
function parseContainer(text: string): object | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}

/** Called with the groups of a match: a pattern without a group passes its offset there. */
function keepPrefix(_match: string, prefix: unknown): string {
  return (typeof prefix === 'string' ? prefix : '') + REDACTED;
}

async function redactByRules(text: string): Promise<string> {
  const { messages } = await lintSource({
    source: { filePath: 'message.txt', content: text, contentType: 'text', ext: '.txt' },
    options: { config: RULES, maskSecrets: false, noPhysicFilePath: true },
  });
  let clean = text;
  const ranges = messages.map(({ range }) => range).sort((one, other) => other[0] - one[0]);
  for (const [from, to] of ranges) clean = clean.slice(0, from) + REDACTED + clean.slice(to);
  return clean;
}

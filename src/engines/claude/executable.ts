/** Which `claude` is driven, and whether it is one that may be. */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { ConfigError } from '../../errors.js';
import { findProgram } from '../../processes/index.js';
import { showable } from './failures.js';

/**
 * Older programs ignore `client_composed`: a question with `@/etc/passwd` in it would be sent to
 * the model with the file, and one that begins with `/` would run as a command.
 */
const OLDEST_VERSION = '2.1.248';

/** Long enough for a program read from a cold disk, in milliseconds. */
const VERSION_TIMEOUT_MS = 20_000;

/**
 * The user's own `claude`: the configured path, else the one found on PATH, else the one that
 * came with the SDK.
 * @throws ConfigError when there is none
 */
export function locateClaude(
  configured: string | undefined,
  searchPath: string | undefined,
  sdkFile: string,
): string {
  if (configured !== undefined) {
    const program = findProgram(configured, searchPath, process.cwd());
    if (program !== undefined) return program;
    throw new ConfigError(`the claude path ${configured} is no program that can be run`);
  }
  const found = findProgram('claude', searchPath) ?? ownProgram(sdkFile);
  if (found !== undefined) return found;
  throw new ConfigError(
    'no claude found: install Claude Code, or say where it is with --claude-path',
  );
}

/** What the SDK's optional packages brought; `musl` is for Alpine and its like. */
function ownProgram(sdkFile: string): string | undefined {
  const near = createRequire(sdkFile);
  const platform = `${process.platform}-${process.arch}`;
  for (const build of [platform, `${platform}-musl`]) {
    try {
      return findProgram(near.resolve(`@anthropic-ai/claude-agent-sdk-${build}/claude`), undefined);
    } catch {
      // Not the package for this machine.
    }
  }
  return undefined;
}

/** Asks a program for its version. @throws ConfigError when it does not tell, or is too old */
export async function checkClaude(path: string, env: Record<string, string>): Promise<string> {
  const said = await new Promise<string>((resolve, reject) => {
    const options = { env, timeout: VERSION_TIMEOUT_MS, killSignal: 'SIGKILL' as const };
    execFile(path, ['--version'], options, (error, stdout) => {
      if (error === null) resolve(stdout);
      else reject(new ConfigError(`${path} --version failed: ${showable(error.message, [])}`));
    });
  });
  const refusal = refuse(path, said);
  if (refusal !== undefined) throw new ConfigError(refusal);
  return parseVersion(said)?.join('.') ?? '';
}

/** Why this program may not be driven; undefined when it may. */
export function refuse(path: string, said: string): string | undefined {
  const version = parseVersion(said);
  if (version === undefined) {
    return `${path} is not Claude Code: asked for its version it said "${showable(said, [])}"`;
  }
  if (isAtLeast(version, parseVersion(OLDEST_VERSION) as Version)) return undefined;
  return (
    `${path} is Claude Code ${version.join('.')}, which reads files that a question names with @ ` +
    `and runs questions that begin with /; ${OLDEST_VERSION} or newer is needed: run claude update`
  );
}

type Version = readonly [major: number, minor: number, patch: number];

export function parseVersion(said: string): Version | undefined {
  const found = /^\s*(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?=[\s-]|$)/.exec(said);
  return found === null ? undefined : [Number(found[1]), Number(found[2]), Number(found[3])];
}

export function isAtLeast(version: Version, least: Version): boolean {
  for (const [place, number] of version.entries()) {
    const wanted = least[place] as number;
    if (number !== wanted) return number > wanted;
  }
  return true;
}

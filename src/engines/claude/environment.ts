/** What a `claude` process is told by its environment: an allow-list, and nothing of ours. */

/** How the user logs in and where to; handed on when set. */
const ACCOUNT = [
  'ANTHROPIC_API_KEY',
  'ANTHROPIC_AUTH_TOKEN',
  'ANTHROPIC_BASE_URL',
  'CLAUDE_CODE_OAUTH_TOKEN',
  'CLAUDE_CONFIG_DIR',
] as const;

/** What could sign in beside a key that was configured, or instead of it. */
const OTHER_LOGINS = ['ANTHROPIC_AUTH_TOKEN', 'CLAUDE_CODE_OAUTH_TOKEN'] as const;

/** What a session of ours never needs, each on its own. Names as Claude Code 2.1.329 reads them. */
const OFF = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
  DISABLE_AUTOUPDATER: '1',
  // Notes it would keep for later sessions: a way from one conversation into another.
  CLAUDE_CODE_DISABLE_AUTO_MEMORY: '1',
  CLAUDE_CODE_DISABLE_CLAUDE_MDS: '1',
  // The third lock on `@file`, after `client_composed` and the rule that denies reading.
  CLAUDE_CODE_DISABLE_FILE_MENTIONS: '1',
  // A broken answer fails: asking again is for those who keep count.
  CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK: '1',
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: '1',
} as const;

interface ChildSettings {
  readonly key: string | undefined;
  readonly baseUrl: string | undefined;
  /** How long an API call may go without a response, in milliseconds. */
  readonly apiTimeoutMs: number;
}

/** The variables beyond the common ones of any child process. */
export function claudeVariables(
  from: NodeJS.ProcessEnv,
  { key, baseUrl, apiTimeoutMs }: ChildSettings,
): Record<string, string> {
  const variables: Record<string, string> = {
    ...OFF,
    API_TIMEOUT_MS: String(apiTimeoutMs),
    // One, not none, and none too far away: a call that is to be repeated tells for how long the
    // API asks to wait. The turn is given up as soon as it does.
    CLAUDE_CODE_MAX_RETRIES: '1',
    CLAUDE_CODE_RETRY_WATCHDOG: '1',
  };
  for (const name of ACCOUNT) {
    const value = from[name];
    if (value !== undefined && value !== '') variables[name] = value;
  }
  if (baseUrl !== undefined) variables.ANTHROPIC_BASE_URL = baseUrl;
  if (key !== undefined) {
    for (const name of OTHER_LOGINS) delete variables[name];
    variables.ANTHROPIC_API_KEY = key;
  }
  return variables;
}

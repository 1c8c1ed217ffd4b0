/** What a program needs to find its files, the network and the user's login; no secret is here. */
const ALLOWED = new Set([
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'TMPDIR',
  'TMP',
  'TEMP',
  'TZ',
  'XDG_CACHE_HOME',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_RUNTIME_DIR',
  'XDG_STATE_HOME',
  'ALL_PROXY',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'CURL_CA_BUNDLE',
  'NODE_EXTRA_CA_CERTS',
  'REQUESTS_CA_BUNDLE',
  'SSL_CERT_DIR',
  'SSL_CERT_FILE',
]);

/**
 * The variables a child may see: an allow-list of `from`, then `more`, which wins.
 *
 * An allow-list, because a variable nobody thought of is how a nested session (`CLAUDECODE`,
 * `CLAUDE_CODE_*`), a debugger (`NODE_OPTIONS`) or another program's key reaches a model's tools.
 */
export function cleanEnvironment(
  from: NodeJS.ProcessEnv,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const clean: Record<string, string> = {};
  for (const [name, value] of Object.entries(from)) {
    if (value !== undefined && isAllowed(name)) clean[name] = value;
  }
  return { ...clean, ...more };
}

function isAllowed(name: string): boolean {
  // Proxies are read in lower case by some programs and in upper case by others.
  return ALLOWED.has(name) || name.startsWith('LC_') || /^(all|https?|no)_proxy$/.test(name);
}

/**
 * How agents are started and told what a session of ours needs: pure. Each is as it was found to
 * work; see docs/engines/acp.md for the versions.
 */
import { basename } from 'node:path';
import { cleanEnvironment } from '../../processes/index.js';
import { claudeVariables } from '../claude/environment.js';

const PRESETS = ['claude', 'gemini', 'codex'] as const;

export type PresetName = (typeof PRESETS)[number];

interface PresetFacts {
  readonly env: NodeJS.ProcessEnv;
  readonly model: string | undefined;
  readonly key: string | undefined;
  readonly baseUrl: string | undefined;
}

interface Preset {
  /** The program to look for when none is configured. */
  readonly command: readonly string[];
  /** Arguments after those that are configured. */
  args(facts: PresetFacts): readonly string[];
  /** Files in the directory the agent runs in, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Variables beyond the common ones of any child process. */
  variables(facts: PresetFacts): Record<string, string>;
  /**
   * `_meta` of a new session, with the system prompt in it, where the agent has such a thing. The
   * others read the system prompt at the head of the first question.
   */
  readonly meta?: (system: string) => Record<string, unknown>;
}

/** Less than the clocks of a turn give the first byte: the API's own error says more. */
const API_TIMEOUT_MS = 110_000;

/** `@agentclientprotocol/claude-agent-acp` */
const claude: Preset = {
  command: ['claude-agent-acp'],
  args: () => [],
  variables: ({ env, key, baseUrl, model }) => ({
    ...claudeVariables(env, { key, baseUrl, apiTimeoutMs: API_TIMEOUT_MS }),
    ...some(env, ['CLAUDE_CODE_EXECUTABLE']),
    ...(model === undefined ? {} : { ANTHROPIC_MODEL: model }),
  }),
  meta: (system) => ({
    systemPrompt: system,
    claudeCode: {
      options: {
        tools: [],
        settingSources: [],
        // Without both of these a question that holds `@/etc/hostname` has the file read: the
        // first makes a question mere text, the second is what older versions heed.
        verbatimPrompts: true,
        settings: { permissions: { deny: ['Read(//**)'] } },
        strictMcpConfig: true,
        persistSession: false,
        // Would send the whole conversation once more after each answer.
        promptSuggestions: false,
      },
    },
  }),
};

/** Files of Gemini CLI, in the directory it starts in. */
const GEMINI_POLICY = 'warmline-policy.toml';
const GEMINI_SETTINGS = 'warmline-settings.json';
const GEMINI_SYSTEM = 'warmline-system.md';

/** `@google/gemini-cli` */
const gemini: Preset = {
  command: ['gemini'],
  args: ({ model }) => [
    '--acp',
    ...(model === undefined ? [] : ['--model', model]),
    // No tools, extensions or servers of the user's: what reads or fetches needs no permission.
    ...['--admin-policy', GEMINI_POLICY, '--extensions', 'none'],
    ...['--allowed-mcp-server-names', 'none'],
  ],
  files: {
    [GEMINI_POLICY]: '[[rule]]\ntoolName = "*"\ndecision = "deny"\npriority = 999\n',
    // Defaults, which settings of the user's own replace.
    [GEMINI_SETTINGS]: JSON.stringify({
      general: { enableAutoUpdate: false },
      privacy: { usageStatisticsEnabled: false },
    }),
    // Instead of 22 KB about software engineering; what it is to do stands in the conversation.
    [GEMINI_SYSTEM]: 'Follow the instructions at the beginning of the conversation.\n',
  },
  variables: ({ env, key, baseUrl }) => ({
    ...some(env, [
      'GEMINI_API_KEY',
      'GOOGLE_API_KEY',
      'GOOGLE_APPLICATION_CREDENTIALS',
      'GOOGLE_CLOUD_LOCATION',
      'GOOGLE_CLOUD_PROJECT',
      'GOOGLE_GEMINI_BASE_URL',
      'GOOGLE_GENAI_USE_VERTEXAI',
    ]),
    ...(key === undefined ? {} : { GEMINI_API_KEY: key }),
    ...(baseUrl === undefined ? {} : { GOOGLE_GEMINI_BASE_URL: baseUrl }),
    GEMINI_CLI_SYSTEM_DEFAULTS_PATH: GEMINI_SETTINGS,
    GEMINI_SYSTEM_MD: GEMINI_SYSTEM,
    NO_BROWSER: 'true',
    // It would start itself once more with other limits: twice the memory, and slower to open.
    GEMINI_CLI_NO_RELAUNCH: 'true',
  }),
};

/** `@agentclientprotocol/codex-acp` */
const codex: Preset = {
  command: ['codex-acp'],
  args: () => [],
  variables: ({ env, key, baseUrl, model }) => ({
    ...some(env, ['CODEX_API_KEY', 'CODEX_HOME', 'CODEX_PATH', 'OPENAI_API_KEY']),
    ...(key === undefined ? {} : { CODEX_API_KEY: key, OPENAI_API_KEY: key }),
    ...(hasKey(env, key) ? { DEFAULT_AUTH_REQUEST: '{"methodId":"api-key"}' } : {}),
    NO_BROWSER: '1',
    INITIAL_AGENT_MODE: 'read-only',
    // Would send the whole conversation once more after each answer.
    CODEX_ACP_PROMPT_SUGGESTIONS: 'false',
    CODEX_CONFIG: JSON.stringify(codexConfig(model, baseUrl)),
  }),
};

export function presetNamed(name: PresetName): Preset {
  return { claude, gemini, codex }[name];
}

/** Packages and programs by which a command shows which agent it starts. */
const PROGRAMS: readonly (readonly [RegExp, PresetName])[] = [
  [/^(?:claude-agent-acp|claude-code-acp)(?:@|$)/, 'claude'],
  [/^(?:gemini|gemini-cli)(?:@|$)/, 'gemini'],
  [/^codex-acp(?:@|$)/, 'codex'],
];

/**
 * The agent a command starts, as far as its words tell. A known agent is never driven without what
 * keeps a question from acting, only because its preset was not named.
 */
export function presetOf(command: readonly string[]): PresetName | undefined {
  const words = command.map((word) => basename(word));
  return PROGRAMS.find(([program]) => words.some((word) => program.test(word)))?.[1];
}

export function environmentOf(preset: Preset | undefined, facts: PresetFacts) {
  return cleanEnvironment(facts.env, preset?.variables(facts));
}

const CODEX_TOOLS = [
  'apps',
  'goals',
  'hooks',
  'image_generation',
  'multi_agent',
  'plugins',
  'shell_tool',
  'unified_exec',
];

/** No tools: a shell reads any file, even where it may write none. */
function codexConfig(model: string | undefined, baseUrl: string | undefined) {
  const provider = {
    model_provider: 'warmline',
    model_providers: {
      warmline: {
        name: 'warmline',
        base_url: baseUrl,
        env_key: 'CODEX_API_KEY',
        wire_api: 'responses',
      },
    },
  };
  return {
    ...(model === undefined ? {} : { model }),
    ...(baseUrl === undefined ? {} : provider),
    features: Object.fromEntries(CODEX_TOOLS.map((name) => [name, false])),
    web_search: 'disabled',
  };
}

function hasKey(env: NodeJS.ProcessEnv, key: string | undefined): boolean {
  return (key ?? env.CODEX_API_KEY ?? env.OPENAI_API_KEY ?? '') !== '';
}

function some(env: NodeJS.ProcessEnv, names: readonly string[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = env[name];
    if (value !== undefined && value !== '') found[name] = value;
  }
  return found;
}

import { expect, test } from 'vitest';
import { cleanEnvironment } from '../../src/processes/index.js';

test('a child sees where programs, homes, certificates and proxies are', () => {
  const usual = {
    PATH: '/bin',
    HOME: '/home/me',
    LANG: 'C.UTF-8',
    LC_ALL: 'C',
    TZ: 'UTC',
    https_proxy: 'http://proxy',
    NO_PROXY: 'localhost',
    NODE_EXTRA_CA_CERTS: '/ca.pem',
  };
  expect(cleanEnvironment(usual)).toEqual(usual);
});

test('a child sees nothing of a session it is nested in, of keys, or of a debugger', () => {
  const hidden = {
    CLAUDECODE: '1',
    CLAUDE_CODE_SSE_PORT: '1',
    ANTHROPIC_API_KEY: 'k',
    AWS_SECRET_ACCESS_KEY: 'k',
    NODE_OPTIONS: '--inspect',
    LD_PRELOAD: '/x.so',
    WARMLINE_TOKEN: 't',
    PATH: undefined,
  };
  expect(cleanEnvironment(hidden)).toEqual({});
});

test('what is given on purpose is seen, and wins', () => {
  const from = { PATH: '/bin', ANTHROPIC_API_KEY: 'theirs' };
  expect(cleanEnvironment(from, { PATH: '/opt/bin', ANTHROPIC_API_KEY: 'ours' })).toEqual({
    PATH: '/opt/bin',
    ANTHROPIC_API_KEY: 'ours',
  });
});

import { defineConfig } from 'vitest/config';

/** The tests with real model programs, one file at a time: each starts processes of 200 MB. */
export default defineConfig({
  test: {
    include: ['test/agents/**/*.test.ts'],
    pool: 'forks',
    // Its usual port is one for all.
    env: { WARMLINE_HTTP_PORT: 'off' },
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    sequence: { shuffle: true },
  },
});

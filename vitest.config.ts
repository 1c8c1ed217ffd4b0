import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real model programs, fetched first: `npm run test:agents`.
    exclude: ['test/agents/**', 'node_modules/**'],
    pool: 'forks',
    // Its usual port is one for all.
    env: { WARMLINE_HTTP_PORT: 'off' },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    sequence: { shuffle: true },
  },
});

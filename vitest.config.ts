import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Real model programs, fetched first: `npm run test:agents`.
    exclude: ['test/agents/**', 'node_modules/**'],
    pool: 'forks',
    // Most tests wait for processes: two files go side by side on the smallest machine.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    testTimeout: 30_000,
    hookTimeout: 30_000,
    sequence: { shuffle: true },
  },
});

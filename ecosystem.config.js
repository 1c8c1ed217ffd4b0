/**
 * For pm2: `pm2 start ecosystem.config.js`. A named export, because this package is made of ES
 * modules: pm2 loads the file with `require`, which gives it the exports of the module.
 *
 * Settings come from `warmline.toml` in the directory pm2 is called in, and from variables:
 *
 *     WARMLINE_DB=bus.db WARMLINE_CONTEXT_ROOT=documents pm2 start ecosystem.config.js
 */
import { fileURLToPath } from 'node:url';

const common = {
  script: fileURLToPath(new URL('dist/clients/cli/main.js', import.meta.url)),
  exec_mode: 'fork',
  instances: 1,
  watch: false,
  // Ready is what the program says, not that its process exists.
  wait_ready: true,
  listen_timeout: 15_000,
  // Above `drain_ms` (20 s by default): what runs is finished before anything is killed.
  kill_timeout: 30_000,
  exp_backoff_restart_delay: 100,
  // Wrong settings stay wrong: no restart helps.
  stop_exit_codes: [78],
};

export const apps = [
  { ...common, name: 'warmline-bridge', args: 'serve', max_memory_restart: '1G' },
  { ...common, name: 'warmline-autopoll', args: 'autopoll', max_memory_restart: '512M' },
];

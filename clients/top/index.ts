/** The door of the live view: `warmline top`. */
export { type LiveOptions, runTop } from './live.js';
export { topOnce } from './once.js';
export type { TopOptions } from './options.js';

/** The door of the live view: `warmline top`. */
export { runTop } from './live.js';
export { topOnce } from './once.js';

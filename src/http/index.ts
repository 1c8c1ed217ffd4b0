export { createHttpDoor, type HttpDoor, type HttpOptions } from './door.js';
export type { HttpLimits } from './limits.js';

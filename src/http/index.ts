export { createHttpDoor, type HttpDoor, type HttpOptions } from './door.js';
export type { Guest } from './guests.js';

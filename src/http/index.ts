export { createHttpDoor, type HttpDoor, type HttpOptions } from './door.js';

export * from './codec.js';
export * from './framing.js';
export * from './queue-report.js';
export * from './replies.js';
export * from './requests.js';
export { encodeResponse } from './response.js';

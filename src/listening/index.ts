export { listenOn, listenOnSocket, resolveHost } from './addresses.js';
export { isLoopback, TokenGate } from './auth.js';

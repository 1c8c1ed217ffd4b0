export { DEFAULT_LIMITS, type Limits } from './limits.js';
export {
  createServer,
  type ListenAddress,
  type ServerOptions,
  type SocketServer,
} from './server.js';

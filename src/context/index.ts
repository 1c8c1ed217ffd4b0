export type { ContextFile, ContextRoots } from './context.js';
export {
  type ContextRootsOptions,
  createContextRoots,
  DEFAULT_MAX_CONTEXT_BYTES,
} from './roots.js';

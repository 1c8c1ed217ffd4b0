export { createExtractEngine, type ExtractOptions } from './engine.js';

export { createOpenAiEngine, type OpenAiOptions } from './engine.js';

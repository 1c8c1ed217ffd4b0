export { type AnthropicOptions, createAnthropicEngine } from './engine.js';

export { type After, FakeEngine, type FakeOptions } from './engine.js';
export { createFakeEngine } from './settings.js';

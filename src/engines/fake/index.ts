export { type After, FakeEngine, type FakeOptions } from './engine.js';

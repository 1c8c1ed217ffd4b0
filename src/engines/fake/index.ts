export { FakeEngine, type FakeOptions } from './engine.js';

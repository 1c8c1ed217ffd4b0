/** A model API without a model, on this machine: see docs/fake-model.md. */
export { parseWords, WordError } from './behaviour.js';
export type { ReceivedRequest } from './received.js';
export { type FakeModel, type FakeModelOptions, startFakeModel } from './server.js';

/** A model API without a model, on this machine: see docs/fake-model.md. */
export { type Answer, type Behaviour, type Ending, parseWords, WordError } from './behaviour.js';
export type { Api, Turn } from './dialect.js';
export type { ReceivedRequest } from './received.js';
export { type FakeModel, type FakeModelOptions, type Script, startFakeModel } from './server.js';

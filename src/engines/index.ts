export type {
  Engine,
  EngineSession,
  EngineStatus,
  OpenOptions,
  SessionEnd,
  Turn,
  TurnEvent,
  TurnResult,
  TurnStage,
  Usage,
} from './engine.js';
export { FakeEngine, type FakeOptions } from './fake/index.js';
export { createEngine, ENGINE_NAMES } from './registry.js';

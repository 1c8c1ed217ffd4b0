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

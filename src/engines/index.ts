/** The contract of engines. Each engine has a door of its own, loaded only when it is configured. */
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

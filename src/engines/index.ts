/** The contract of engines. Each engine has a door of its own, loaded only when it is configured. */
export type {
  Engine,
  EngineSession,
  EngineStatus,
  OpenOptions,
  Turn,
  TurnEvent,
  TurnResult,
  TurnStage,
} from './engine.js';

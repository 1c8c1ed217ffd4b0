export { ENGINE_KINDS, type EngineKind } from './engine-keys.js';
export type { EngineSettings } from './engines.js';
export {
  type Environment,
  environment,
  environmentWithoutSettings,
  preferProductionBuilds,
  stateHome,
} from './environment.js';
export { readKey } from './key.js';
export {
  configFileFor,
  type Flags,
  type LoadOptions,
  loadSettings,
  type Settings,
} from './load.js';
export {
  type Described,
  describedSettings,
  describedTable,
  readFlag,
  wholeAbout,
} from './names.js';
export { sectionTitle, settingsReference } from './reference.js';
export type { Section } from './settings.js';
export { settingsTemplate } from './template.js';
export { readToken } from './token.js';

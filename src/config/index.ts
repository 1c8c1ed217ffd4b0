export { environment, environmentWithoutSettings } from './environment.js';
export { type Flags, type LoadOptions, loadSettings } from './load.js';
export { type Described, describedSettings, readFlag } from './names.js';
export { settingsReference } from './reference.js';
export { ENGINE_NAMES, type Section, type Settings } from './settings.js';
export { readToken } from './token.js';

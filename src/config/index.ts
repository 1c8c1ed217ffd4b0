export { environment, environmentWithoutSettings } from './environment.js';
export { type Flags, type LoadOptions, loadSettings } from './load.js';
export { type Described, describedSettings, readFlag, wholeAbout } from './names.js';
export { settingsReference } from './reference.js';
export type { Section, Settings } from './settings.js';
export { readToken } from './token.js';

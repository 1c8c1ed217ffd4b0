export { armFailpoints, disarmFailpoints, failpoint } from './failpoint.js';
export { closeHistory, type Fact, History, type Noted, note, openHistory } from './history.js';
export { FAILPOINTS, type Failpoint, isFailpoint } from './names.js';
export { parseFailpoints } from './parse.js';
export { setProbes } from './probes.js';

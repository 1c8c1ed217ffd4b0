export { armFailpoints, disarmFailpoints, failpoint } from './failpoint.js';
export { closeHistory, type Fact, History, type Noted, note, openHistory } from './history.js';
export { FAILPOINTS, type Failpoint, isFailpoint } from './names.js';
export { type FailpointAction, parseFailpoints, type Trap } from './parse.js';
export { type Probes, setProbes } from './probes.js';

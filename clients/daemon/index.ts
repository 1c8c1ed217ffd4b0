export { asDaemon, DaemonRuns } from './daemon.js';
export { type Found, findDaemon, tidy } from './find.js';
export { type Launched, launch } from './launch.js';
export { type Place, placeOf } from './place.js';
export { type DaemonState, pidOf } from './state.js';
export { stopDaemon } from './stop.js';

/** Programs run as whole trees of processes: started clean, measured, and ended to the last one. */
export { cleanEnvironment } from './environment.js';
export { startTicksOf } from './proc.js';
export { findProgram } from './program.js';
export { type ProcessTree, spawnTree } from './tree.js';

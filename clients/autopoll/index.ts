export { Autopoll } from './autopoll.js';
export type { FigureSettings } from './figures.js';
export { Links } from './links.js';
export type { AutopollParts, AutopollSettings } from './parts.js';
export { type RunOptions, runAutopoll } from './run.js';

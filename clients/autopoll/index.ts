export { Autopoll, type AutopollParts, type AutopollSettings } from './autopoll.js';
export type { FigureSettings } from './figures.js';
export { Links } from './links.js';
export { type RunOptions, runAutopoll } from './run.js';

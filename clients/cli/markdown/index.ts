export { MarkdownStream } from './stream.js';

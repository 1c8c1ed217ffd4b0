/** For what finds passages on behalf of a model. */
export {
  buildIndex,
  type DocumentIndex,
  languageOf,
  type PassageTable,
  termHashes,
} from './document.js';
export { createExtractEngine, type ExtractOptions } from './engine.js';
export { understand } from './question.js';
export { type Hit, rank, rarity, type Sought, search, weigh } from './search.js';
export { Slices } from './slices.js';
export { rawTokens } from './tokens.js';

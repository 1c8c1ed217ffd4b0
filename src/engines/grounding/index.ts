/** What a model engine answers from, and the check of what it cites. */
export {
  createGrounder,
  DEFAULT_PROMPT_BYTES,
  type Grounder,
  type Grounding,
} from './grounder.js';

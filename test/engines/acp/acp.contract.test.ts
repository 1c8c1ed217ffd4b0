import { createAcpEngine } from '../../../src/engines/acp/index.js';
import { engineContract } from '../../contract/engine.suite.js';
import { acpOptions, contextOf } from './harness.js';

engineContract('acp', {
  create: () => createAcpEngine(acpOptions()),
  context: () => contextOf('# Notes\n\nThe answer is 42.\n'),
  question: 'echo The answer is 42.',
  streamed: 'stream one two three',
  endless: 'hang',
  deadly: 'crash as it was told to',
});

engineContract('acp, an agent with a system prompt', {
  create: () => createAcpEngine(acpOptions([], { preset: 'claude' })),
  context: () => contextOf('# Notes\n\nThe answer is 42.\n'),
  question: 'echo The answer is 42.',
  streamed: 'stream one two three',
  endless: 'hang',
  deadly: 'crash as it was told to',
});

import { createExtractEngine } from '../../src/engines/extract/index.js';
import { engineContract } from '../contract/engine.suite.js';
import { contextFile } from './extract/support.js';

const lines = Array.from({ length: 40_000 }, (_, n) => `- Item ${n} has the code x${n * 7}.`);

engineContract('extract', {
  create: () => createExtractEngine(),
  context: () =>
    contextFile('# A\n\nThe bridge listens on port 9999.\n\n# B\n\nIts port is fixed.\n'),
  question: 'Which port does the bridge listen on?',
  streamed: 'port',
});

engineContract('extract on a file that takes long to index', {
  create: () => createExtractEngine(),
  context: () => contextFile(lines.join('\n')),
  question: 'Which code has item 77?',
  // Stopped at once, while the index is built.
  endless: 'Which code has item 78?',
});

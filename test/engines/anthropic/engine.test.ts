import fc from 'fast-check';
import { createAnthropicEngine } from '../../../src/engines/anthropic/index.js';
import { apiSuite } from '../api/model-api.suite.js';

const event = (data: { readonly type: string; readonly [more: string]: unknown }) =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;

const usage = { input_tokens: 3, output_tokens: 1 };
const text = (text: string) =>
  event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } });

const unfinished = [
  event({ type: 'message_start', message: { id: 'm', role: 'assistant', content: [], usage } }),
  event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
  text('All '),
  text('of it.'),
  event({ type: 'content_block_stop', index: 0 }),
  event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 4 } }),
];

apiSuite('anthropic', {
  create: createAnthropicEngine,
  baseUrl: (url) => url,
  officialUrl: 'https://api.anthropic.com',
  hostile: fc
    .tuple(
      fc.constantFrom(
        'message_start',
        'content_block_start',
        'content_block_delta',
        'message_delta',
        'message_stop',
        'error',
        'other',
      ),
      fc.record(
        {
          message: fc.anything(),
          content_block: fc.anything(),
          delta: fc.anything(),
          usage: fc.anything(),
          error: fc.anything(),
        },
        { requiredKeys: [] },
      ),
    )
    .map(([type, data]) => event({ type, ...data })),
  whole: [...unfinished, event({ type: 'message_stop' })],
  unfinished,
});

import fc from 'fast-check';
import { createOpenAiEngine } from '../../../src/engines/openai/index.js';
import { apiSuite } from '../api/model-api.suite.js';

const chunk = (delta: object, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ id: 'c', choices: [{ index: 0, delta, finish_reason }] })}\n\n`;

const unfinished = [chunk({ role: 'assistant', content: 'All ' }), chunk({ content: 'of it.' })];

apiSuite('openai', {
  create: (options) => createOpenAiEngine({ ...options, ollama: false }),
  baseUrl: (url) => `${url}/v1`,
  officialUrl: 'https://api.openai.com/v1',
  whole: [...unfinished, chunk({}, 'stop'), 'data: [DONE]\n\n'],
  hostile: fc
    .record(
      {
        choices: fc.oneof(
          fc.anything(),
          fc.array(fc.record({ delta: fc.anything(), finish_reason: fc.anything() })),
        ),
        usage: fc.anything(),
        error: fc.anything(),
      },
      { requiredKeys: [] },
    )
    .map((data) => `data: ${JSON.stringify(data)}\n\n`),
  unfinished: [...unfinished, 'data: [DONE]\n\n'],
});

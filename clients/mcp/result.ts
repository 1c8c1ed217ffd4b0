import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import type { Reply } from './tool.js';

/** A reply as the protocol has it: text for a model, and the same as data. */
export function toResult({ text, data, isError = false }: Reply): CallToolResult {
  return {
    content: [{ type: 'text', text }],
    structuredContent: { ...data },
    ...(isError && { isError }),
  };
}

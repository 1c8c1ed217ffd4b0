/** The MCP server: warmline as tools for a model. */
export { Backend } from './backend.js';
export { createMcpServer } from './server.js';
export { serveStdio } from './stdio.js';

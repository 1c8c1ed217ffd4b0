/** The MCP server: warmline as tools for a model. */
export { Backend } from './backend.js';
export { McpHttp } from './http.js';
export { serveStdio } from './stdio.js';

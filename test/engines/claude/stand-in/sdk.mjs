/**
 * The part of the Agent SDK that is used, for tests that run without it: it starts the process as
 * it is told to and passes lines to and fro.
 */
import { createInterface } from 'node:readline';

export function query({ prompt, options }) {
  const { pathToClaudeCodeExecutable: command, systemPrompt, cwd, env } = options;
  const resume = options.resume === undefined ? [] : ['--resume', options.resume];
  const args = ['--system-prompt', systemPrompt, ...resume];
  const child = options.spawnClaudeCodeProcess({ command, args, cwd, env });
  const waiting = new Map();
  const exit = new Promise((resolve) => child.once('exit', (...how) => resolve(how)));
  exit.then(() => {
    for (const { reject } of waiting.values()) reject(new Error('closed before a response'));
  });
  const write = (message) => child.stdin.write(`${JSON.stringify(message)}\n`);
  const ask = (request) =>
    new Promise((resolve, reject) => {
      const request_id = String(waiting.size + 1);
      waiting.set(request_id, { resolve, reject });
      write({ type: 'control_request', request_id, request });
    });
  (async () => {
    for await (const message of prompt) write(message);
  })();

  async function* messages() {
    for await (const line of createInterface({ input: child.stdout })) {
      const message = JSON.parse(line);
      if (message?.type === 'control_response') {
        waiting.get(message.response.request_id)?.resolve(message.response.response);
      } else {
        yield message;
      }
    }
    const [code, signal] = await exit;
    if (code !== 0) throw new Error(`process exited with ${signal ?? `code ${code}`}`);
  }

  const initialized = ask({ subtype: 'initialize' });
  initialized.catch(() => {});
  return {
    [Symbol.asyncIterator]: messages,
    initializationResult: () => initialized,
    interrupt: () => ask({ subtype: 'interrupt' }),
    getContextUsage: () => ask({ subtype: 'get_context_usage' }),
    close: () => {},
  };
}

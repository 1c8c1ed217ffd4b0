import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { fault } from '../../src/errors.js';
import { ErrorReply, ResponseReply } from '../../src/protocol/index.js';
import { answerByHand, serve } from './support.js';

const run = promisify(execFile);

async function python(client: string, port: number, request: unknown) {
  const script = join(import.meta.dirname, 'clients', client);
  const { stdout } = await run('python3', [script, String(port), JSON.stringify(request)]);
  return JSON.parse(stdout);
}

const query = { type: 'query', question: 'test', context_file: 'SESSION-RESUME.md' };

describe.each(['single_recv.py', 'read_to_end.py'])('the one-shot client %s', (client) => {
  test('gets its answer', async () => {
    const { address, bridge } = await serve();
    const got = await python(client, address.port, query);
    expect(got.answer).toBe('answer to test');
    expect(got.sources).toEqual(['A.md:1-2']);
    expect(ResponseReply.parse(got.whole)).not.toHaveProperty('id');
    expect(bridge.asked.map((asked) => asked.query.contextFile)).toEqual(['SESSION-RESUME.md']);
  });

  test('gets a failure as an answer that says so', async () => {
    const { address } = await serve((asked) =>
      setImmediate(() => asked.fail(fault('context_missing', 'no such file; see --context-root'))),
    );
    const got = await python(client, address.port, query);
    expect(got.answer).toBe('Error: no such file; see --context-root');
    expect(got.sources).toEqual([]);
    expect(ErrorReply.parse(got.whole)).toMatchObject({
      code: 'context_missing',
      retryable: false,
    });
  });

  test('gets a refused query as an answer that names the field', async () => {
    const { address, bridge } = await serve();
    const got = await python(client, address.port, { type: 'query', question: 7 });
    expect(got.answer).toMatch(/^Error: question: /);
    expect(got.whole).toMatchObject({ code: 'bad_request', line: 1 });
    expect(bridge.asked).toEqual([]);
  });
});

test('a reply of many megabytes reaches a client that reads to the end', async () => {
  const { address } = await serve((asked) =>
    setImmediate(() => asked.answer('é'.repeat(5_000_000))),
  );
  const got = await run('python3', [
    '-c',
    `
import json, socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.sendall(b'{"type":"query","question":"long"}\\n')
data = b"".join(iter(lambda: sock.recv(65536), b""))
print(data.count(b"\\n"), len(json.loads(data)["answer"]))
`,
    String(address.port),
  ]);
  expect(got.stdout.trim()).toBe('1 5000000');
});

describe('a query without id', () => {
  test('gets exactly one line and the end of the connection, even with stream', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send({ ...query, stream: true, progress: true });
    const asked = await bridge.next();
    asked.listener.accepted?.(3);
    asked.listener.progress?.({ stage: 'running' });
    asked.listener.delta?.('par');
    asked.answer('part');
    expect(await wire.rest()).toEqual([
      expect.objectContaining({ type: 'response', answer: 'part' }),
    ]);
  });

  test('ends the parsing: nothing after it on the connection runs', async () => {
    const { bridge, connect } = await serve();
    const wire = await connect();
    wire.send(query, query, { type: 'ping', id: 1 }, 'garbage');
    expect(await wire.rest()).toHaveLength(1);
    expect(bridge.asked).toHaveLength(1);
  });

  test('waits for the queries with id that came before it', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.send({ ...query, id: 'a' }, query);
    const first = await bridge.next();
    const last = await bridge.next();
    last.answer('one-shot');
    expect(await wire.line()).toMatchObject({ answer: 'one-shot' });
    first.answer('with id');
    expect(await wire.rest()).toEqual([expect.objectContaining({ id: 'a', answer: 'with id' })]);
  });

  test('is answered after the client closed its half', async () => {
    const { bridge, connect } = await serve(answerByHand);
    const wire = await connect();
    wire.socket.end(`${JSON.stringify(query)}\n`);
    const asked = await bridge.next();
    asked.answer();
    expect(await wire.rest()).toEqual([expect.objectContaining({ answer: 'answer to test' })]);
  });

  test('counts as a line without a newline when the client closed its half', async () => {
    const { connect } = await serve();
    const wire = await connect();
    wire.socket.end(JSON.stringify(query));
    expect(await wire.rest()).toEqual([expect.objectContaining({ type: 'response' })]);
  });
});

import { expect, onTestFinished, test } from 'vitest';
import { type Answer, BridgeClient, type Outcome } from '../../clients/socket/index.js';
import { type Peer, PeerServer, response } from './socket-peer.js';

async function asked(options: { resend?: boolean } = {}) {
  const server = await PeerServer.listen();
  const client = new BridgeClient({
    port: server.port,
    reconnect: { baseMs: 1, maxMs: 5 },
    ...options,
  });
  onTestFinished(async () => {
    await client.close();
    await server.close();
  });
  const peer = await server.accept();
  await peer.greet();
  await client.ready();
  const outcomes: Outcome<Answer>[] = [];
  let settle = (): void => {};
  const settled = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const pending = client.submit(
    'why?',
    { requestId: 'r' },
    {
      done: (outcome) => {
        outcomes.push(outcome);
        settle();
      },
    },
  );
  const { id } = await peer.expect('query');
  return { server, client, peer, pending, outcomes, settled, id };
}

/** Everything sent before this has been read by the client. */
async function roundTrip(client: BridgeClient, peer: Peer): Promise<void> {
  const pinged = client.ping();
  peer.send({ type: 'pong', id: (await peer.expect('ping')).id });
  await pinged;
}

test('a question that is stopped has its outcome when the server says that it has stopped', async () => {
  const { client, peer, pending, outcomes, settled, id } = await asked();
  pending.stop();
  pending.stop();
  expect(await peer.expect('cancel')).toEqual({ type: 'cancel', id });
  await roundTrip(client, peer);
  expect(outcomes).toEqual([]);
  peer.send({ type: 'error', id, code: 'cancelled', message: 'stopped', retryable: false });
  await settled;
  expect(outcomes).toMatchObject([{ ok: false, error: { code: 'cancelled' } }]);
  expect(client.pending).toBe(0);
});

test('an answer that is faster than the stop is an answer', async () => {
  const { peer, pending, outcomes, settled, id } = await asked();
  pending.stop();
  peer.send(response(id, 'because'));
  await settled;
  expect(outcomes).toMatchObject([{ ok: true, value: { answer: 'because' } }]);
});

test('a question that is being stopped is not sent again over the next connection', async () => {
  const { server, client, peer, pending, outcomes, settled } = await asked({ resend: true });
  pending.stop();
  await peer.expect('cancel');
  peer.socket.destroy();
  await settled;
  expect(outcomes).toMatchObject([{ ok: false, error: { code: 'connection_lost' } }]);
  const next = await server.accept();
  await next.greet();
  await roundTrip(client, next);
});

test('a question that was never sent is taken back at once', async () => {
  const server = await PeerServer.listen();
  const client = new BridgeClient({ port: server.port });
  onTestFinished(async () => {
    await client.close();
    await server.close();
  });
  const outcomes: Outcome<Answer>[] = [];
  client.submit('why?', {}, { done: (outcome) => void outcomes.push(outcome) }).stop();
  expect(outcomes).toMatchObject([{ ok: false, error: { code: 'cancelled' } }]);
});

test('a cancel after a stop settles at once', async () => {
  const { peer, pending, outcomes } = await asked();
  pending.stop();
  await peer.expect('cancel');
  pending.cancel();
  expect(outcomes).toMatchObject([{ ok: false, error: { code: 'cancelled' } }]);
});

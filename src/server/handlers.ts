/** Requests to replies. Handlers translate; what may run, wait or be joined the bridge decides. */

import { failpoint } from '../failpoints/index.js';
import { encodePong, encodeReply, type Request, type RequestId } from '../protocol/index.js';
import type { Hub } from './hub.js';
import type { RunningQuery } from './query.js';
import * as reports from './reports.js';

/** A connection, as its handlers see it. */
export interface Peer {
  send(line: string): void;
  fail(
    code: 'not_found' | 'unauthorized' | 'busy',
    message: string,
    id: RequestId | undefined,
  ): void;
  running(id: RequestId): RunningQuery | undefined;
  ask(request: Extract<Request, { type: 'query' }>): void;
  /** Accepts lines of full length from now on. */
  trust(): void;
  /** Nothing more is read; the connection ends after its last reply. */
  finish(): void;
  /** Lets neighbours go first before the next line of this connection is handled. */
  rest(): void;
}

export function handle(request: Request, peer: Peer, hub: Hub): void {
  failpoint('srv.parse');
  switch (request.type) {
    case 'query':
      peer.ask(request);
      break;
    case 'cancel':
      cancel(request.id, peer);
      break;
    case 'ping':
      peer.send(encodePong(request.id));
      break;
    case 'hello':
      greet(request, peer, hub);
      break;
    case 'health':
      report('health', request.id, reports.health(hub), peer);
      break;
    case 'stats':
      report('stats', request.id, reports.stats(hub), peer);
      break;
    case 'sessions':
      report('sessions', request.id, reports.sessions(hub), peer);
      break;
    case 'report':
      takeReport(request, peer, hub);
      break;
    case 'help':
      report('help', request.id, reports.help(), peer);
      break;
    case 'quit':
      peer.finish();
      break;
    default:
      request satisfies never;
  }
}

function cancel(id: RequestId, peer: Peer): void {
  const query = peer.running(id);
  if (query === undefined) {
    peer.fail('not_found', 'no query with this id is in flight on this connection', id);
  } else {
    query.cancel();
  }
}

function greet(request: Extract<Request, { type: 'hello' }>, peer: Peer, hub: Hub): void {
  if (!hub.gate.admits(request.token)) {
    peer.fail('unauthorized', 'the token is missing or wrong', request.id);
    peer.finish();
    return;
  }
  peer.trust();
  report('welcome', request.id, reports.welcome(hub), peer);
}

function takeReport(request: Extract<Request, { type: 'report' }>, peer: Peer, hub: Hub): void {
  hub.bridge.reportQueue(peer, request.queue);
  report('reported', request.id, {}, peer);
}

/** Reports cost many times a ping: one per turn of the event loop, or a flood delays others. */
function report(
  type: 'health' | 'stats' | 'sessions' | 'help' | 'welcome' | 'reported',
  id: RequestId | undefined,
  body: Record<string, unknown>,
  peer: Peer,
): void {
  peer.send(encodeReply({ type, id, ...body }));
  peer.rest();
}

/** The tools that go to the bridge itself: asking a warm session, and how all of it is. */
import { z } from 'zod';
import { BusError, inspectBus } from '../../src/bus/index.js';
import { type Answer, BridgeError, type Report, type StreamEvent } from '../socket/index.js';
import { answerText } from './answer-text.js';
import { CONTEXT_FILE, MODEL, QUESTION, SESSION, TIMEOUT_MS } from './arguments.js';
import type { Backend } from './backend.js';
import type { Progress } from './progress.js';
import { defineTool, type Tool } from './tool.js';

const HEALTH_MS = 5_000;

const ask = defineTool({
  name: 'ask',
  description:
    'Asks a warm model session and waits for the answer, with the lines it comes from. Tells its progress. Cancelling the call stops the work.',
  input: z.object({
    question: QUESTION,
    context_file: CONTEXT_FILE,
    session: SESSION,
    model: MODEL,
    timeout_ms: TIMEOUT_MS,
  }),
  run: async (given, { backend, signal, progress }) => {
    backend.admit();
    progress.tell('queued');
    const answer = await backend.withBridge(async (client) => {
      const stream = client.stream(given.question, {
        contextFile: given.context_file,
        session: given.session,
        model: given.model,
        timeoutMs: given.timeout_ms,
        // Nobody could fetch the answer once this call is gone.
        onDisconnect: 'cancel',
        signal,
      });
      await tellProgress(stream, progress);
      return await stream.answer;
    });
    return { text: answerText(answer), data: answerData(answer) };
  },
});

async function tellProgress(events: AsyncIterable<StreamEvent>, progress: Progress): Promise<void> {
  let stage = 'queued';
  let length = 0;
  for await (const event of events) {
    if (event.type === 'accepted') stage = `queued, ${event.position} in line`;
    else if (event.type === 'progress') stage = event.stage;
    else {
      stage = 'generating_response';
      length += event.text.length;
    }
    progress.tell(length === 0 ? stage : `${stage}, ${length} characters`);
  }
}

function answerData(answer: Answer) {
  return {
    answer: answer.answer,
    sources: answer.sources,
    model: answer.model,
    engine: answer.engine,
    session: answer.session,
    elapsed_ms: answer.elapsedMs,
    queued_ms: answer.queuedMs,
    usage: answer.usage,
    stop_reason: answer.stopReason,
  };
}

const status = defineTool({
  name: 'status',
  description:
    'Tells how the bridge with its engines is, and the queue of questions on the bus. Works when either is down, and says so.',
  input: z.object({}),
  isReadOnly: true,
  run: async (_given, { backend, signal }) => {
    backend.admit();
    const bridge = await bridgeState(backend, signal);
    const queue = queueState(backend);
    const data = { bridge, queue };
    return { text: JSON.stringify(data, null, 1), data };
  },
});

async function bridgeState(backend: Backend, signal: AbortSignal) {
  try {
    const health = await backend.withBridge((client) =>
      client.health({ timeoutMs: HEALTH_MS, signal }),
    );
    return wellKnown(health);
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    return { status: 'down', error: { code: error.code, message: error.message } };
  }
}

/** What of the health of the bridge is of use to whoever asks it something. */
function wellKnown({ status, ready, version, uptime_s, engines }: Report) {
  return { status, ready, version, uptime_s, engines };
}

function queueState({ db, session }: Backend) {
  try {
    const { workers, parks, ...counts } = inspectBus(db, session);
    return {
      answered_side: session,
      workers: workers.filter(({ gone }) => !gone).length,
      pending: counts.pending,
      processing: counts.leased,
      delayed: counts.delayed,
      waiting: counts.waiting,
      expired: counts.expired,
      complete: counts.complete,
      failed: counts.failed,
      dead: counts.dead,
      ignored: counts.ignored,
      oldest_pending_ms: counts.oldestPendingMs,
      parked_engines: parks.map(({ engine, code }) => ({ engine, code })),
    };
  } catch (error) {
    if (!(error instanceof BusError)) throw error;
    return { error: { code: error.code, message: error.message } };
  }
}

export const BRIDGE_TOOLS: readonly Tool[] = [ask, status];

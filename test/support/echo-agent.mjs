/**
 * An agent without a model, for tests: it speaks the Agent Client Protocol by the agent side of the
 * official library, and does what the last paragraph of a prompt tells it.
 *
 * Arguments tell how it starts: `silent`, `dies`, `version=N`, `auth`, `models=a,b`, `no-close`.
 */
import { spawn } from 'node:child_process';
import { readdirSync, writeSync } from 'node:fs';
import { Readable, Writable } from 'node:stream';
import {
  agent,
  methods,
  ndJsonStream,
  PROTOCOL_VERSION,
  RequestError,
} from '@agentclientprotocol/sdk';

const flags = new Map(process.argv.slice(2).map((word) => word.split('=')));
const sessions = new Map();
let begun = 0;

if (flags.has('dies')) {
  console.error('the first line\nno model is installed');
  process.exit(3);
}

function initialize() {
  if (flags.has('silent')) return new Promise(() => {});
  return {
    protocolVersion: Number(flags.get('version') ?? PROTOCOL_VERSION),
    agentInfo: { name: 'echo-agent', version: '1.0.0' },
    agentCapabilities: flags.has('no-close') ? {} : { sessionCapabilities: { close: {} } },
  };
}

function newSession({ params }) {
  if (flags.has('auth')) throw RequestError.authRequired();
  begun += 1;
  const sessionId = `conversation-${begun}`;
  sessions.set(sessionId, { ...params, prompts: [], model: 'none', stop: () => {} });
  const names = flags.get('models')?.split(',');
  if (names === undefined) return { sessionId };
  const options = names.map((value) => ({ value, name: value.toUpperCase() }));
  const model = { id: 'm', name: 'Model', category: 'model', type: 'select' };
  return { sessionId, configOptions: [{ ...model, currentValue: names[0], options }] };
}

/** Writes all of it, also where the reader is slower; the library's own output stays out of its way. */
function print(text) {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(1, rest));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** A failure as the adapters of Claude and Codex tell it. */
function failure(category, severity, words) {
  const sessionFailure = { id: 'f', revision: 1, category, severity, title: words.join(' ') };
  return { _meta: { jetbrains: { air: { version: 1, sessionFailure } } } };
}

/** What each first word of a question does; the rest of the question is `rest`. */
const scripts = {
  echo: ({ say, rest }) => say(rest),
  async stream({ say, rest }) {
    for (const word of rest.split(' ')) await say(`${word} `);
  },
  history: ({ say, session }) => say(JSON.stringify(session.prompts)),
  sessions: ({ say }) => say(JSON.stringify([...sessions.keys()])),
  facts: ({ say, session }) =>
    say(
      JSON.stringify({
        env: process.env,
        pid: process.pid,
        home: process.cwd(),
        cwd: session.cwd,
        files: readdirSync(session.cwd),
        meta: session._meta ?? null,
        model: session.model,
        capabilities: session.mcpServers,
      }),
    ),
  hang: ({ stopped }) => stopped,
  async deaf({ say }) {
    await say('I hear nothing');
    return new Promise(() => {});
  },
  /** Goes on in spite of being told to stop, and then ends as if it had not been. */
  async stubborn({ say, stopped }) {
    await say('I will go on, ');
    await stopped;
    await say('all the same');
    return 'end_turn';
  },
  async half({ say }) {
    await say('half an ans');
    process.kill(process.pid, 'SIGKILL');
    return new Promise(() => {});
  },
  crash({ rest }) {
    writeSync(2, `${rest}\n`);
    process.exit(3);
  },
  async ask({ say, client, session, rest }) {
    const outcome = await client.request(methods.client.session.requestPermission, {
      sessionId: session.sessionId,
      toolCall: { toolCallId: 't', title: 'rm -rf /' },
      options: rest.split(' ').map((kind) => ({ optionId: `option-${kind}`, name: kind, kind })),
    });
    await say(JSON.stringify(outcome));
  },
  async read({ say, client, session }) {
    const asked = client.request(methods.client.fs.readTextFile, {
      sessionId: session.sessionId,
      path: '/etc/hostname',
    });
    await say(await asked.then(({ content }) => content).catch(({ code }) => `refused ${code}`));
  },
  async spawn({ say }) {
    const options = { detached: true, stdio: 'ignore' };
    const child = spawn('sh', ['-c', 'trap "" TERM; sleep 1000 & wait'], options);
    await say(String(child.pid));
  },
  async garbage({ say, rest }) {
    print(`${rest}\nnull\n[]\n42\n{"id":7}\n{"jsonrpc":"2.0","id":999,"result":{}}\n\n\r\n`);
    print('{"jsonrpc":"2.0","method":"session/update"}\n');
    writeSync(
      1,
      '{"jsonrpc":"2.0","method":"session/update","params":{"sessionId":7,"update":3}}\n',
    );
    print(Buffer.from([0xff, 0xfe, 0x0a]));
    await say('still here');
  },
  noise() {
    const lines = 'this is no JSON\n'.repeat(4000);
    for (;;) print(lines);
  },
  line() {
    const piece = 'x'.repeat(65_536);
    for (;;) print(piece);
  },
  requests({ session }) {
    const params = { sessionId: session.sessionId, toolCall: { toolCallId: 't' }, options: [] };
    for (let id = 0; ; id += 1) {
      const request = { jsonrpc: '2.0', id, method: 'session/request_permission', params };
      print(`${JSON.stringify(request)}\n`);
    }
  },
  flood({ session }) {
    const content = { type: 'text', text: 'All work and no play. '.repeat(100) };
    const update = { sessionUpdate: 'agent_message_chunk', content };
    const params = { sessionId: session.sessionId, update };
    const line = `${JSON.stringify({ jsonrpc: '2.0', method: 'session/update', params })}\n`;
    for (;;) print(line);
  },
  async stderr({ say, rest }) {
    for (let line = 0; line < 20_000; line += 1) writeSync(2, `${rest} ${line}\n`);
    await say('done');
  },
  async stop({ say, rest }) {
    const [reason, ...words] = rest.split(' ');
    if (words.length > 0) await say(words.join(' '));
    return reason;
  },
  error({ rest }) {
    const { code, message, data } = JSON.parse(rest);
    throw new RequestError(code, message, data);
  },
  /** Says text whose characters are cut in halves, and a half that is none. */
  async halves({ say }) {
    await say('a \ud83d');
    await say('\ude00 b \ud800 c \udc00');
    await say('\ud83d');
    return 'end_turn\u001b[2J';
  },
  /** Stops when it is told to, and says more of it when the next question is there. */
  async trailing({ say, session, stopped }) {
    await say('I begin');
    await stopped;
    sessions.get(session.sessionId).late = 'late words of the first question';
    return 'cancelled';
  },
  async tool({ say, update }) {
    await say('Let me look.');
    await update({ sessionUpdate: 'agent_thought_chunk', content: { type: 'text', text: 'hm' } });
    await update({ sessionUpdate: 'tool_call', toolCallId: 't', title: 'looking' });
    await update({ sessionUpdate: 'tool_call_update', toolCallId: 't', status: 'completed' });
    await say('It is ');
    await say('there.');
  },
  async other({ say, client }) {
    const content = { type: 'text', text: 'of another conversation' };
    const update = { sessionUpdate: 'agent_message_chunk', content };
    await client.notify(methods.client.session.update, { sessionId: 'elsewhere', update });
    await say('mine');
  },
  /** Says more once the turn is over. */
  async late({ say, rest }) {
    await say(rest);
    setTimeout(() => void say('one more thing'), 20);
  },
  /** Tells that it tries again by itself, and does until it is stopped. */
  async retry({ say, update, stopped, rest }) {
    await say('half an ans');
    const [category, ...words] = rest.split(' ');
    await update({ sessionUpdate: 'session_info_update', ...failure(category, 'warning', words) });
    return stopped;
  },
  async fail({ say, rest }) {
    const [category, ...words] = rest.split(' ');
    await say('sorry');
    return { stopReason: 'end_turn', ...failure(category, 'error', words) };
  },
  async usage({ say }) {
    await say('counted');
    return {
      stopReason: 'end_turn',
      usage: { inputTokens: 7, outputTokens: 3, cachedReadTokens: 5 },
    };
  },
};

/** What is said of a question in words of its own is written so that the question does not hold it. */
function unhidden(question) {
  const [, hidden] = /^hidden (\S+)$/.exec(question) ?? [];
  return hidden === undefined ? question : Buffer.from(hidden, 'base64').toString('utf8');
}

async function prompt({ params, client }) {
  const session = sessions.get(params.sessionId);
  if (session === undefined) throw RequestError.sessionNotFound(params.sessionId);
  const text = params.prompt.map((block) => block.text).join('');
  session.prompts.push(text);
  const question = unhidden(text.split('\n\n').at(-1));
  const [, word, rest] = /^(\S*) ?(.*)$/s.exec(question);
  const update = (update) =>
    client.notify(methods.client.session.update, { sessionId: params.sessionId, update });
  const say = (text) =>
    update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
  const stopped = new Promise((resolve) => {
    session.stop = () => resolve('cancelled');
  });
  for (const [sessionId, { late }] of sessions) {
    if (late === undefined) continue;
    const content = { type: 'text', text: late };
    const update = { sessionUpdate: 'agent_message_chunk', content };
    await client.notify(methods.client.session.update, { sessionId, update });
  }
  const script = scripts[word] ?? (() => say(`unknown: ${question}`));
  const given = await script({
    say,
    update,
    rest,
    client,
    stopped,
    session: { ...session, sessionId: params.sessionId },
  });
  return typeof given === 'object' ? given : { stopReason: given ?? 'end_turn' };
}

agent({ name: 'echo-agent' })
  .onRequest(methods.agent.initialize, initialize)
  .onRequest(methods.agent.session.new, newSession)
  .onRequest(methods.agent.session.prompt, prompt)
  .onRequest(methods.agent.session.close, ({ params }) => {
    sessions.delete(params.sessionId);
    return {};
  })
  .onRequest(methods.agent.session.setConfigOption, ({ params }) => {
    sessions.get(params.sessionId).model = params.value;
    return { configOptions: [] };
  })
  .onNotification(methods.agent.session.cancel, ({ params }) => {
    sessions.get(params.sessionId)?.stop();
  })
  .connect(ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin)));

#!/usr/bin/env node
/**
 * Stands in for `claude` where the real one cannot be made to misbehave: it speaks the same
 * stream-json over its pipes and does what the first words of a question say.
 */
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';

if (process.argv.includes('--version')) {
  console.log('2.1.400 (Stand-in)');
  process.exit(0);
}

const TOKENS_OF_NOTHING = { user: 87, assistant: 0 };
const keepsAll = process.argv.some((word) => word.includes('[[keeps all]]'));
let session = randomUUID();
let contents = { ...TOKENS_OF_NOTHING };
let running;
let hangsOnClear = false;

const write = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const say = (message) => write({ ...message, session_id: session, uuid: randomUUID() });

createInterface({ input: process.stdin }).on('line', (line) => {
  const message = JSON.parse(line);
  if (message.type === 'control_request') control(message.request_id, message.request);
  else if (message.type === 'user') user(message);
});

function control(request_id, { subtype }) {
  const reply = (response) =>
    write({ type: 'control_response', response: { subtype: 'success', request_id, response } });
  if (subtype === 'initialize') {
    reply({ account: { apiKeySource: 'ANTHROPIC_API_KEY', tokenSource: 'none' } });
  } else if (subtype === 'get_context_usage') {
    const { user: userMessageTokens, assistant: assistantMessageTokens } = contents;
    const none = { toolCallTokens: 0, toolResultTokens: 0 };
    reply({ messageBreakdown: { userMessageTokens, assistantMessageTokens, ...none } });
  } else {
    reply({});
    if (subtype === 'interrupt') running?.();
  }
}

function user({ message, uuid, client_composed }) {
  const text = message.content;
  if (text === '/clear' && client_composed !== true) clear(uuid);
  else turn(text, uuid);
}

function clear(uuid) {
  if (hangsOnClear) return;
  say({ type: 'conversation_reset' });
  if (!keepsAll) session = randomUUID();
  contents = { ...TOKENS_OF_NOTHING, ...(forgetful ? {} : { user: 90 }) };
  say({ type: 'system', subtype: 'init', model: 'stand-in-1' });
  result(uuid, { result: '', local_command: 'clear' });
}

let forgetful = true;

function turn(text, uuid) {
  contents = { user: 90, assistant: 9 };
  say({ type: 'system', subtype: 'init', model: 'stand-in-1' });
  const [, how = '', rest = text] = /^\[\[(.*?)\]\]\s*(.*)$/s.exec(text) ?? [];
  const answer = () => {
    stream(`You asked: ${rest}`);
    result(uuid, { result: `You asked: ${rest}` });
  };
  const endless = (tick) => {
    const timer = setInterval(tick, 5);
    running = () => {
      clearInterval(timer);
      running = undefined;
      result(uuid, {
        is_error: true,
        subtype: 'error_during_execution',
        terminal_reason: 'aborted',
      });
    };
  };
  switch (how) {
    case '':
      return answer();
    case 'exit':
      stream('Half an ans');
      process.stderr.write('all is well\nfatal: out of luck, key sk-ant-secret-123\n');
      process.exitCode = 3;
      return process.stdin.destroy();
    case 'mutter':
      return process.stderr.write(`cannot make sense of: ${rest}\n`, answer);
    case 'silent exit':
      process.exitCode = 4;
      return process.stdin.destroy();
    case 'clean exit':
      stream('Half an ans');
      return process.exit(0);
    case 'endless':
      return endless(() => delta('more '));
    case 'silent':
      return endless(() => {});
    case 'deaf':
      return setInterval(() => {}, 1000);
    case 'twice':
      answer();
      return result(uuid, { result: 'another answer' });
    case 'stale':
      result(randomUUID(), { result: 'the answer to something else' });
      return answer();
    case 'noise':
      write(null);
      write([1, 2]);
      write({ type: 'stream_event' });
      write({ type: 'stream_event', event: { type: 'content_block_delta', delta: { text: 1 } } });
      write({ type: 'system', subtype: 'of tomorrow', nested: { deep: [] } });
      say({ type: 'result_of_tomorrow' });
      return answer();
    case 'broken':
      event({ type: 'message_start' });
      delta('Half of ');
      stream('a whole answer');
      return result(uuid, { result: 'a whole answer' });
    case 'no end':
      event({ type: 'message_start' });
      delta('Half of ');
      return result(uuid, { result: 'Half of' });
    case 'nothing':
      return result(uuid, { result: ' \n' });
    case 'no fields':
      return write({ type: 'result' });
    case 'flood':
      return process.stdout.write('x'.repeat(40 * 1024 * 1024));
    case 'hang on clear':
      hangsOnClear = true;
      return answer();
    case 'remember':
      forgetful = false;
      return answer();
    case 'fail':
      return result(uuid, { is_error: true, ...JSON.parse(rest) });
    case 'retry':
      say({ type: 'system', subtype: 'api_retry', ...JSON.parse(rest) });
      return endless(() => {});
    default:
      throw new Error(`no such behaviour: ${how}`);
  }
}

function event(event) {
  say({ type: 'stream_event', event });
}

function delta(text) {
  event({ type: 'content_block_delta', delta: { type: 'text_delta', text } });
}

function stream(text) {
  event({ type: 'message_start' });
  for (const word of text.split(/(?<=\s)/)) delta(word);
  event({ type: 'message_delta', delta: { stop_reason: 'end_turn' } });
}

function result(user_message_uuid, more) {
  say({
    type: 'result',
    subtype: 'success',
    is_error: false,
    usage: { input_tokens: 7, output_tokens: 5 },
    stop_reason: 'end_turn',
    user_message_uuid,
    ...more,
  });
}

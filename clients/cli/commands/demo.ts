/**
 * The whole way of a question, shown once: a bus, the bridge and autopoll on it, a question as
 * another program would put it there, the answer with its sources.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSqliteBus } from '../../../src/bus/index.js';
import { environmentWithoutSettings } from '../../../src/config/index.js';
import { runUntilStopped } from '../../../src/lifecycle.js';
import { createLogger } from '../../../src/log.js';
import { type BusAnswer, sendQuestion, waitForAnswer } from '../bus-question.js';
import { complain, EXIT } from '../failure.js';
import type { Words } from '../options.js';
import { paint, printable, printSources, printText, shellWord } from '../output.js';
import { Pair } from '../pair.js';
import { ChildFailed } from '../supervisor.js';
import { thisProgram } from '../this-program.js';

const DOCUMENT = 'ABOUT-WARMLINE.md';
const QUESTION = 'How is a question never lost or answered twice?';
const FOLLOW_UP = 'What happens on Ctrl-C?';

const DRAIN_MS = 5_000;
const ANSWER_MS = 30_000;

interface DemoWords {
  readonly port?: number;
  readonly once?: boolean;
}

export async function demo(words: Words): Promise<number> {
  const { port = 9999, once = false } = words as DemoWords;
  const directory = mkdtempSync(join(tmpdir(), 'warmline-demo-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const log = createLogger({ level: 'warn' });
  const pair = startable(directory, port, (what) => log.error(`${what}; starting it again`));
  const onEndNow = () => {
    pair.kill();
    remove();
  };
  try {
    return await runUntilStopped({ log, drainMs: 2 * DRAIN_MS, onEndNow }, async (life) => {
      life.stopping.addEventListener('abort', () => void pair.stop());
      const shown = await show(directory, pair, life.stopping);
      if (shown !== undefined && !once) {
        printNext(shown);
        await life.stopped;
      }
      await pair.stop();
    });
  } catch (error) {
    if (!(error instanceof ChildFailed)) throw error;
    if (error.exitCode === EXIT.config) {
      complain('to use another port: warmline demo --port 0, or npm run demo -- --port 0');
    }
    return error.exitCode;
  } finally {
    remove();
  }
}

/** The demo is the same everywhere: no setting of the user's reaches its programs. */
function startable(directory: string, port: number, onDeath: (what: string) => void): Pair {
  const source = new URL(`../../../../clients/cli/demo/${DOCUMENT}`, import.meta.url);
  copyFileSync(fileURLToPath(source), join(directory, DOCUMENT));
  return new Pair({
    flags: {
      host: '127.0.0.1',
      port,
      httpPort: 'off',
      db: busFile(directory),
      contextRoot: [directory],
      context: DOCUMENT,
      drainMs: DRAIN_MS,
      logLevel: 'warn',
    },
    drainMs: DRAIN_MS,
    cwd: directory,
    env: environmentWithoutSettings(),
    onDeath,
  });
}

function busFile(directory: string): string {
  return join(directory, 'bus.db');
}

interface Shown {
  readonly file: string;
  readonly host: unknown;
  readonly port: unknown;
  readonly conversationId: string;
}

/** Shows the turn; undefined when it was stopped before its end. */
async function show(
  directory: string,
  pair: Pair,
  stopping: AbortSignal,
): Promise<Shown | undefined> {
  const file = busFile(directory);
  const bus = openSqliteBus({ file, create: true });
  try {
    const { host, port } = await pair.start();
    const { bridge, autopoll } = pair.pids;
    printFacts([
      ['bus', file],
      ['bridge', `${host}:${port} (process ${bridge})`],
      ['autopoll', `process ${autopoll}`],
    ]);
    const startedMs = performance.now();
    const sent = await sendQuestion(bus, { question: QUESTION, contextFile: DOCUMENT, from: 'a' });
    const wait = { db: file, timeoutMs: ANSWER_MS, signal: stopping };
    const answer = await waitForAnswer(sent.messageId, wait);
    printTurn(sent.messageId, answer, performance.now() - startedMs);
    return { file, host, port, conversationId: sent.conversationId };
  } catch (error) {
    if (stopping.aborted) return undefined;
    throw error;
  } finally {
    await bus.close();
  }
}

function printFacts(facts: readonly (readonly [string, string])[]): void {
  for (const [name, value] of facts) printText(`${paint('dim', name.padEnd(9))} ${value}`);
}

function printTurn(messageId: number, answer: BusAnswer, elapsedMs: number): void {
  printText(`\n${paint('bold', 'Question')} (message ${messageId} on the bus)`);
  printText(QUESTION);
  printText(`\n${paint('bold', 'Answer')} (on the bus after ${Math.round(elapsedMs)} ms)`);
  printText(printable(answer.answer));
  printSources(answer.sources);
  if (answer.failed) throw new Error('the question was answered with an error');
}

function printNext({ file, host, port, conversationId }: Shown): void {
  const line = JSON.stringify({ type: 'query', question: FOLLOW_UP, context_file: DOCUMENT });
  printText(`
It runs until Ctrl-C. To go on, in another terminal:

  echo '${line}' | nc ${host} ${port}
  ${thisProgram()} ask "${FOLLOW_UP}" --port ${port}
  ${thisProgram()} send "${FOLLOW_UP}" --db ${shellWord(file)} --conversation ${conversationId} --wait
  sqlite3 ${file} "SELECT id, from_session, message FROM messages"`);
}

import { expect, test } from 'vitest';
import { saveWorker } from '../../src/bus/index.js';
import { formatOwner } from '../../src/bus/owner.js';
import { goneOwner } from '../contract/bus.harness.js';
import { start, warmline } from '../support/process.js';
import { TempBus } from '../support/temp-bus.js';
import { freePort } from './warmline.js';

interface Check {
  readonly name: string;
  readonly status: string;
  readonly message: string;
  readonly fix?: string;
}

async function checks(...words: string[]): Promise<Check[]> {
  const { stdout } = await warmline(['doctor', '--json', ...words]);
  return JSON.parse(stdout).checks;
}

const named = (found: Check[], name: string) => found.filter((check) => check.name === name);

test('the doctor names the engine of the running bridge that is at fault, and why', async () => {
  const program = start(['serve', '--port', '0', '--engine', 'fake', '--log-level', 'silent']);
  const port = String((await program.ready()).port);
  // The engine that a bridge started here would have is not the one that is asked about.
  const words = ['--port', port, '--engine', 'claude', '--claude-path', '/nowhere/claude'];
  const well = await checks(...words);
  expect(named(well, 'engine')).toEqual([
    { name: 'engine', status: 'ok', message: 'fake, the default: ok, in the bridge that runs' },
  ]);

  await warmline(['ask', '!fake error=engine_auth no', '--port', port]);
  const ill = await checks(...words);
  expect(named(ill, 'bridge')).toMatchObject([
    { status: 'fail', fix: expect.stringContaining(`echo health | nc -N 127.0.0.1 ${port}`) },
  ]);
  expect(named(ill, 'engine')).toMatchObject([
    {
      status: 'fail',
      message: expect.stringMatching(
        /^fake, the default: down; its login is refused; last failure engine_auth: .+ ago$/,
      ),
      fix: expect.stringContaining('log in again'),
    },
  ]);
});

test('an autopoll that ended without a word is a worry only where no other works on', async () => {
  const temp = new TempBus();
  const { file, peer } = temp;
  temp.ask(temp.addConversation(), 'why?');
  const bus = temp.open();
  peer
    .prepare(`INSERT INTO warmline_workers VALUES (?, 'b', 0, 0, '{"pid":7}')`)
    .run(formatOwner(goneOwner()));
  const look = async () => named(await checks('--db', file, '--port', '0'), 'autopoll');
  expect(await look()).toMatchObject([
    { status: 'warn', message: expect.stringContaining('without a word') },
  ]);
  await saveWorker(bus, 0, { pid: process.pid });
  expect(await look()).toEqual([]);
});

test('questions that wait for a bridge are a fault once somebody would ask it', async () => {
  const temp = new TempBus();
  const bus = temp.open();
  const words = ['--db', temp.file, '--port', String(await freePort()), '--http-port', 'off'];
  const look = async () => named(await checks(...words), 'bridge');
  await saveWorker(bus, 0, { pid: process.pid });
  expect(await look()).toEqual([]);

  temp.ask(temp.addConversation(), 'why?');
  expect(await look()).toMatchObject([
    { status: 'fail', message: expect.stringContaining(', and 1 question waits') },
  ]);
  temp.peer.prepare('DELETE FROM warmline_workers').run();
  expect(await look()).toMatchObject([
    { status: 'warn', fix: `run: warmline up --db ${temp.file}` },
  ]);
});

test('the HTTP door of one bridge is not taken for that of another', async () => {
  const readyOf = (httpPort: string) =>
    start(['serve', '--port', '0', '--http-port', httpPort, '--log-level', 'error']).ready();
  const [one, other] = [await readyOf('0'), await readyOf('off')];
  const look = async (port: unknown) =>
    named(await checks('--port', String(port), '--http-port', String(one.http_port)), 'http');
  expect(await look(one.port)).toMatchObject([{ message: expect.stringContaining('/v1/models') }]);
  expect(await look(other.port)).toMatchObject([
    { status: 'ok', message: expect.stringContaining(`another bridge (process ${one.pid})`) },
  ]);
});

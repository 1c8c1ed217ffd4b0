/** A config file to start from, checked before anybody relies on it. */
import { chmodSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import {
  configFileFor,
  describedSettings,
  environment,
  loadSettings,
  type Settings,
  settingsTemplate,
} from '../../../src/config/index.js';
import { ConfigError } from '../../../src/errors.js';
import { openBus, requirePlace } from '../bus-file.js';
import { checkBridge } from '../doctor/bridge.js';
import { checkBus } from '../doctor/bus.js';
import { checkContext } from '../doctor/context.js';
import { checkEngines } from '../doctor/engines.js';
import { type Finding, isHealthy, printFindings, warn } from '../doctor/finding.js';
import { EXIT, UsageError } from '../failure.js';
import { flagsOf, needBus, type Words } from '../options.js';
import { printable, printJson, printText, shellWord } from '../output.js';
import { CHECKED } from '../sections.js';
import { thisProgram } from '../this-program.js';

/** What the file sets when no flag does: it cannot run without, or others have to know it. */
const STANDARD = { db: 'bus.db', engine: 'extract', contextRoot: ['.'], port: 9999 } as const;

const USUAL_FILE = 'warmline.toml';

interface InitWords {
  readonly config?: string;
  readonly print?: boolean;
  readonly create?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

export async function init(words: Words): Promise<number> {
  const { config, print = false, create = false, force = false, json } = words as InitWords;
  const around = { flags: { config }, env: environment(), cwd: process.cwd() };
  const file = configFileFor(around);
  const given = valuesFor(file, words);
  const text = await settingsTemplate(given);
  // As every later command will load it, before anything is written.
  const settings = await loadSettings({ ...around, text });
  if (print) {
    process.stdout.write(text);
    return EXIT.ok;
  }
  requirePlace(file, '--config');
  if (!force) refuseToReplace(file);
  if (create) await openBus({ file: needBus(settings), create }).close();
  write(file, text, force);
  const { findings, isRunning } = await check(settings, given);
  const healthy = isHealthy(findings);
  if (json === true) {
    printJson({ file, ok: healthy, checks: findings });
  } else {
    printText(`${printable(file)} written\n`);
    printFindings(findings);
    printText(`\n${printable(nextSteps(file, healthy, isRunning))}`);
  }
  return healthy ? EXIT.ok : EXIT.failed;
}

/** The values that the file sets. A path in it starts at its directory, one of a flag here. */
function valuesFor(file: string, words: Words): Map<string, unknown> {
  const values = Object.entries({ ...STANDARD, ...definedOnly(flagsOf(words, CHECKED)) });
  const isHere = dirname(file) === process.cwd();
  const isPath = new Map(describedSettings().map((setting) => [setting.key, setting.isPath]));
  const moved = values
    .filter(([key]) => key !== 'config')
    .map(([key, value]): [string, unknown] => {
      if (isHere || isPath.get(key) !== true || words[key] === undefined) return [key, value];
      return [
        key,
        Array.isArray(value) ? value.map((one) => resolve(one)) : resolve(String(value)),
      ];
    });
  return new Map(moved);
}

function definedOnly(flags: Words): Words {
  return Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined));
}

async function check(
  settings: Settings,
  given: ReadonlyMap<string, unknown>,
): Promise<{ readonly findings: readonly Finding[]; readonly isRunning: boolean }> {
  const bridge = await checkBridge(settings);
  const findings = [
    ...overruled(given),
    ...checkBus(settings, bridge.health),
    ...bridge.findings,
    ...(await checkEngines(settings)),
    ...(await checkContext(settings)),
  ];
  return { findings, isRunning: bridge.health !== undefined };
}

/** Variables win over the file, here as in every later command. */
function overruled(given: ReadonlyMap<string, unknown>): Finding[] {
  return describedSettings()
    .filter(({ key, variable }) => given.has(key) && (environment()[variable] ?? '') !== '')
    .map(({ variable, fileKey }) =>
      warn(
        'variable',
        `${variable} is set, and wins over ${fileKey} in the file`,
        `change it, or: unset ${variable}`,
      ),
    );
}

function refuseToReplace(file: string): void {
  if (statSync(file, { throwIfNoEntry: false }) !== undefined) {
    throw new UsageError(`there is ${file} already; --force replaces it, --print only prints`);
  }
}

/** A file in whose place another comes is there until that one is whole; it keeps its permissions. */
function write(file: string, text: string, force: boolean): void {
  const old = force ? statSync(file, { throwIfNoEntry: false }) : undefined;
  const place = old === undefined ? file : realpathSync(file);
  const draft =
    old === undefined ? file : join(dirname(place), `.${basename(place)}.${process.pid}.partial`);
  try {
    writeFileSync(draft, text, { flag: 'wx' });
    if (old === undefined) return;
    chmodSync(draft, old.mode & 0o777);
    renameSync(draft, place);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code !== 'EEXIST') rmSync(draft, { force: true });
    throw new ConfigError(`cannot write ${file}: ${message}; check --config`, { cause });
  }
}

function nextSteps(file: string, healthy: boolean, isRunning: boolean): string {
  const isUsual = file === resolve(USUAL_FILE);
  const steps = [
    ...(healthy ? [] : [['doctor', 'when it is put right, to look again'] as const]),
    isRunning
      ? (['poll start', 'answer the questions on the bus through the bridge that runs'] as const)
      : (['up', 'bridge and autopoll together, until Ctrl-C'] as const),
    [
      'send "What is this about?" --wait',
      'from another terminal: a question and its answer',
    ] as const,
    ['stats', 'what runs, what waits'] as const,
  ];
  const lines = steps.map(([command, about]) => [
    `${thisProgram()} ${command}${isUsual ? '' : ` --config ${shellWord(file)}`}`,
    about,
  ]);
  const width = Math.max(...lines.map(([line = '']) => line.length));
  return [
    'Next:',
    ...lines.map(([line = '', about]) => `  ${line.padEnd(width)}  # ${about}`),
  ].join('\n');
}

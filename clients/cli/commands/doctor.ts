import { checkBridge } from '../doctor/bridge.js';
import { checkBus } from '../doctor/bus.js';
import { checkContext } from '../doctor/context.js';
import { checkEngines, checkGuard } from '../doctor/engines.js';
import type { Finding } from '../doctor/finding.js';
import { checkRunning } from '../doctor/running.js';
import { checkRuntime } from '../doctor/runtime.js';
import { EXIT } from '../failure.js';
import { settingsFor, type Words } from '../options.js';
import { paint, printable, printJson, printText } from '../output.js';
import { objectsIn } from '../report.js';

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

export async function doctor(words: Words): Promise<number> {
  const settings = await settingsFor(words, 'address', 'bus', 'engine', 'context', 'server');
  const { findings: ofBridge, health } = await checkBridge(settings);
  const findings = [
    ...(await checkRuntime()),
    ...ofBridge,
    // A bridge that runs may have been started with other engines than the settings here name.
    ...(health === undefined ? await checkEngines(settings) : checkRunning(health)),
    ...checkGuard(health === undefined ? settings.engines : objectsIn(health.engines)),
    ...(await checkContext(settings)),
    ...checkBus(settings),
  ];
  const isHealthy = findings.every(({ status }) => status !== 'fail');
  if (words.json === true) printJson({ ok: isHealthy, checks: findings });
  else for (const finding of findings) print(finding);
  return isHealthy ? EXIT.ok : EXIT.failed;
}

function print({ name, status, message, fix }: Finding): void {
  printText(
    `${paint(COLOURS[status], status.padEnd(4))}  ${name.padEnd(13)}  ${printable(message)}`,
  );
  if (fix !== undefined) printText(`${' '.repeat(21)}fix: ${printable(fix)}`);
}

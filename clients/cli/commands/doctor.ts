import { checkBridge } from '../doctor/bridge.js';
import { checkBus } from '../doctor/bus.js';
import { checkContext } from '../doctor/context.js';
import { checkEngines, checkGuard } from '../doctor/engines.js';
import { isHealthy, printFindings } from '../doctor/finding.js';
import { checkHttp } from '../doctor/http.js';
import { checkRunning } from '../doctor/running.js';
import { checkRuntime } from '../doctor/runtime.js';
import { EXIT } from '../failure.js';
import { settingsFor, type Words } from '../options.js';
import { printJson } from '../output.js';
import { objectsIn } from '../report.js';
import { CHECKED } from '../sections.js';

export async function doctor(words: Words): Promise<number> {
  const settings = await settingsFor(words, ...CHECKED);
  const { findings: ofBridge, health } = await checkBridge(settings);
  const findings = [
    ...(await checkRuntime()),
    ...ofBridge,
    ...(health === undefined ? [] : await checkHttp(settings, health.pid)),
    // A bridge that runs may have been started with other engines than the settings here name.
    ...(health === undefined ? await checkEngines(settings) : checkRunning(health)),
    ...checkGuard(health === undefined ? settings.engines : objectsIn(health.engines)),
    ...(await checkContext(settings)),
    ...checkBus(settings, health),
  ];
  const healthy = isHealthy(findings);
  if (words.json === true) printJson({ ok: healthy, checks: findings });
  else printFindings(findings);
  return healthy ? EXIT.ok : EXIT.failed;
}

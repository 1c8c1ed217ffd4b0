import { errorFields, withBridge } from '../bridge-client.js';
import { EXIT } from '../failure.js';
import { settingsFor, type Words } from '../options.js';
import { printJson, printText } from '../output.js';
import { objectsIn, rowsOf, withoutEnvelope } from '../report.js';

export async function sessions(words: Words): Promise<number> {
  const settings = await settingsFor(words, 'address');
  try {
    const report = await withBridge(settings, (client) => client.sessions());
    if (words.json === true) printJson(withoutEnvelope(report));
    else printText(rowsOf(objectsIn(report.sessions)) || 'no sessions are open');
    return EXIT.ok;
  } catch (error) {
    if (words.json !== true) throw error;
    printJson({ type: 'error', ...errorFields(error) });
    return EXIT.failed;
  }
}

import { verifyBus } from '../../../src/bus/index.js';
import { withBus } from '../bus-file.js';
import { EXIT } from '../failure.js';
import type { Words } from '../options.js';
import { paint, printable, printJson, printText, shellWord } from '../output.js';

interface VerifyWords {
  readonly repair?: boolean;
  readonly json?: boolean;
}

const RESTART =
  'restart the autopolls that run on this bus now: each remembers the watermark as it was';

export async function verify(words: Words): Promise<number> {
  const { repair, json } = words as VerifyWords;
  return withBus(words, async (bus) => {
    const command = `warmline verify --repair --db ${shellWord(bus.file)}`;
    const { findings, repaired } = await verifyBus(bus, { repair: repair === true });
    const isRight = findings.length === 0;
    if (json === true) printJson({ ok: isRight, findings, repaired });
    else {
      for (const { message } of repaired)
        printText(`${paint('green', 'mended')}  ${printable(message)}`);
      if (repaired.some(({ kind }) => kind === 'watermark')) printText(RESTART);
      for (const { message } of findings)
        printText(`${paint('red', 'wrong ')}  ${printable(message)}`);
      if (isRight && repaired.length === 0) printText('the queue is as it should be');
      if (!isRight && repair !== true) printText(`to put it right: ${command}`);
    }
    return isRight ? EXIT.ok : EXIT.failed;
  });
}

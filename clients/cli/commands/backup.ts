import { type Backup, BackupRefused, backUp } from '../../../src/bus/index.js';
import { EXIT, UsageError } from '../failure.js';
import { needBus, settingsFor, type Words } from '../options.js';
import { duration, printable, printJson, printText, StatusLine } from '../output.js';

interface BackupWords {
  readonly out: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

export async function backup(words: Words): Promise<number> {
  const file = needBus(await settingsFor(words, 'bus'));
  const { out, force = false, json } = words as unknown as BackupWords;
  if (out === '') throw new UsageError('--out names no file');
  const startedMs = performance.now();
  const made = await backUpOrStop(file, out, force);
  const elapsedMs = Math.round(performance.now() - startedMs);
  if (json === true) {
    printJson({ file, out, ...made, check: 'ok', elapsed_ms: elapsedMs });
  } else {
    const messages = made.rows.messages ?? 0;
    const size = `${(made.bytes / 1e6).toFixed(1)} MB, ${messages} messages`;
    printText(`${printable(out)}: ${size}, checked and whole, in ${duration(elapsedMs)}`);
  }
  return EXIT.ok;
}

/** A signal ends the copying, and nothing of it is left. */
async function backUpOrStop(file: string, out: string, force: boolean): Promise<Backup> {
  const stop = new AbortController();
  const interrupt = () => stop.abort(new Error(`stopped by a signal; ${out} was not written`));
  const status = new StatusLine();
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    const onProgress = (copied: number, total: number) =>
      status.show(`${copied} of ${total} pages copied (${Math.round((100 * copied) / total)} %)`);
    return await backUp({ file, out, force, signal: stop.signal, onProgress });
  } catch (error) {
    if (error instanceof BackupRefused) throw new UsageError(error.message);
    throw error;
  } finally {
    status.clear();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}

/** The one way to log: JSON lines on standard error, or readable lines when that is a terminal. */
import { isatty } from 'node:tty';
import { type DestinationStream, type LevelWithSilent, type Logger, pino } from 'pino';
import { prettyFactory } from 'pino-pretty';

export type Log = Logger;

export interface LogOptions {
  readonly level: LevelWithSilent;
  /** Readable lines instead of JSON; by default only when standard error is a terminal. */
  readonly pretty?: boolean | undefined;
  /** Where lines go instead of standard error. */
  readonly destination?: DestinationStream | undefined;
}

const STDERR = 2;

/** Lines a stalled reader of standard error leaves waiting are dropped beyond this, in bytes. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

const SECRET_FIELDS = ['token', 'authorization', 'password', 'secret', 'apiKey', 'api_key'];

export function createLogger(options: LogOptions): Log {
  // Asynchronous: a log reader that stops reading must not stop the server. Flushed at exit.
  const out =
    options.destination ??
    pino.destination({ dest: STDERR, sync: false, maxLength: MAX_WAITING_BYTES });
  const pretty = options.pretty ?? (options.destination === undefined && isatty(STDERR));
  return pino(
    {
      level: options.level,
      base: { pid: process.pid },
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`, `*.*.${field}`]),
        censor: '[redacted]',
      },
    },
    pretty ? readable(out) : out,
  );
}

function readable(out: DestinationStream): DestinationStream {
  const format = prettyFactory({
    colorize: isatty(STDERR),
    ignore: 'pid',
    translateTime: 'SYS:HH:MM:ss.l',
  });
  return { write: (line) => out.write(format(line) ?? line) };
}

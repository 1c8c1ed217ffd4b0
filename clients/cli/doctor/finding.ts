import { paint, printable, printText } from '../output.js';

/** What a check of the doctor found. */
export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly message: string;
  /** What to do; always there unless the status is `ok`. */
  readonly fix?: string | undefined;
}

export function ok(name: string, message: string): Finding {
  return { name, status: 'ok', message };
}

/** It works, and could go wrong some day. */
export function warn(name: string, message: string, fix: string): Finding {
  return { name, status: 'warn', message, fix };
}

/** It does not work as it is. */
export function fail(name: string, message: string, fix: string): Finding {
  return { name, status: 'fail', message, fix };
}

export function isHealthy(findings: readonly Finding[]): boolean {
  return findings.every(({ status }) => status !== 'fail');
}

const COLOURS = { ok: 'green', warn: 'yellow', fail: 'red' } as const;

export function printFindings(findings: readonly Finding[]): void {
  for (const { name, status, message, fix } of findings) {
    printText(
      `${paint(COLOURS[status], status.padEnd(4))}  ${name.padEnd(13)}  ${printable(message)}`,
    );
    if (fix !== undefined) printText(`${' '.repeat(21)}fix: ${printable(fix)}`);
  }
}

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

/**
 * Reads that take long, in a process of their own, so that neither the event loop nor a connection
 * of this one waits for them. Not a thread: connections of one process share the WAL's index, and a
 * thread inside a query can neither be stopped nor left behind.
 */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { setPriority } from 'node:os';
import { text } from 'node:stream/consumers';

export interface Select {
  readonly sql: string;
  readonly values: Readonly<Record<string, string | number>>;
}

/** Source text rather than a file of its own: it runs the same from TypeScript and from `dist`. */
const READER = `
const { readFileSync } = require('node:fs');
const { driver, file, selects } = JSON.parse(readFileSync(0, 'utf8'));
const db = new (require(driver))(file, { readonly: true, fileMustExist: true, timeout: 10000 });
const rows = selects.map(({ sql, values }) => db.prepare(sql).all(values));
db.close();
process.stdout.write(JSON.stringify(rows));
`;

const DRIVER = createRequire(import.meta.url).resolve('better-sqlite3');

/** Below whatever answers questions. */
const NICENESS = 10;

/**
 * The rows of each select, read through a connection that cannot write.
 * @throws Error when the file cannot be read, or `signal` was aborted
 */
export async function selectAside<R>(
  file: string,
  selects: readonly Select[],
  signal: AbortSignal,
): Promise<R[][]> {
  const child = spawn(process.execPath, ['-e', READER], { signal, killSignal: 'SIGKILL' });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  // Whatever ends the child also ends its pipes: its exit says why.
  child.stdin.on('error', () => undefined);
  lower(child.pid);
  child.stdin.end(JSON.stringify({ driver: DRIVER, file, selects }));
  const [rows, trouble, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  if (code !== 0) throw new Error(`${file} could not be read aside: ${lastWords(trouble)}`);
  return JSON.parse(rows);
}

function lower(pid: number | undefined): void {
  try {
    if (pid !== undefined) setPriority(pid, NICENESS);
  } catch {
    // It has ended already, or may not be changed: it reads all the same.
  }
}

function lastWords(trouble: string): string {
  return /^\w*Error: .*/m.exec(trouble)?.[0] ?? 'the reader was ended';
}

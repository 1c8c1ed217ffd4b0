/**
 * Inserts many rows of one table with few statements: a statement costs more than the row it
 * inserts, the more so where the table counts its own ids.
 */
import type { Database } from 'better-sqlite3';

/** Rows in one statement; what is left over goes one by one. */
const ROWS = 16;

export type BulkInsert<Row extends readonly unknown[]> = (rows: readonly Row[]) => number[];

/**
 * @param into the statement up to its values, `INSERT INTO t (a, b) VALUES`
 * @param row the values of one row with their place holders, `(?, ?)`
 * @returns a function that inserts rows in order and tells their row ids; these follow each other,
 *   because the write lock is held
 */
export function bulkInsert<Row extends readonly unknown[]>(
  db: Database,
  into: string,
  row: string,
): BulkInsert<Row> {
  const single = db.prepare(`${into} ${row}`);
  const many = db.prepare(`${into} ${Array(ROWS).fill(row).join(', ')}`);
  return (rows) => {
    const ids: number[] = [];
    for (let at = 0; at < rows.length; ) {
      const count = rows.length - at >= ROWS ? ROWS : 1;
      const values = valuesOf(rows, at, count);
      const last = Number((count === 1 ? single : many).run(...values).lastInsertRowid);
      for (let before = count - 1; before >= 0; before -= 1) ids.push(last - before);
      at += count;
    }
    return ids;
  };
}

/** In one list that is as long as it has to be: it does not grow while it is filled. */
function valuesOf(rows: readonly (readonly unknown[])[], from: number, count: number): unknown[] {
  const width = rows[from]?.length ?? 0;
  const values = new Array<unknown>(width * count);
  for (let row = 0; row < count; row += 1) {
    const given = rows[from + row] ?? [];
    for (let column = 0; column < width; column += 1) values[row * width + column] = given[column];
  }
  return values;
}

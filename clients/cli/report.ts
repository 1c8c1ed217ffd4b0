/** Reports of the server as text. Their fields are the server's: a newer one may send more. */
import { duration, printableLine, table } from './output.js';

type Fields = Readonly<Record<string, unknown>>;

export function objectsIn(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}

/** What a reply of the server reports, without what told the client whose reply it is. */
export function withoutEnvelope({ type: _type, id: _id, ...report }: Fields): Fields {
  return report;
}

/** Rows with a column for each field that any of them has something in. */
export function rowsOf(rows: readonly Fields[]): string {
  if (rows.length === 0) return '';
  const names = [...new Set(rows.flatMap(Object.keys))].filter((name) =>
    rows.some((row) => !isEmpty(row[name])),
  );
  return table(
    names.map((name) => printableLine(label(name))),
    rows.map((row) => names.map((name) => cell(name, row[name]))),
  );
}

/** One line for each number or text, however deep: `server.connections.open  3`. */
export function linesOf(fields: Fields): string {
  const lines = [...flat(fields, '')].map(
    ([name, value]) =>
      [printableLine(label(name)), printableLine(String(cell(name, value)))] as const,
  );
  const width = Math.max(0, ...lines.map(([name]) => name.length));
  return lines.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}

function* flat(fields: Fields, prefix: string): Generator<[string, unknown]> {
  for (const [name, value] of Object.entries(fields)) {
    if (isFields(value)) yield* flat(value, `${prefix}${name}.`);
    else if (Array.isArray(value) && value.some(isFields)) {
      for (const [index, item] of value.entries()) {
        const label = isFields(item) && typeof item.name === 'string' ? item.name : index;
        yield* flat(isFields(item) ? item : { value: item }, `${prefix}${name}.${label}.`);
      }
    } else yield [prefix + name, value];
  }
}

/** A field whose name ends so holds a time: people get it with its unit, and the name without. */
const TIME = /_(ms|s)$/;

function label(name: string): string {
  return name.replace(TIME, '');
}

function cell(name: string, value: unknown): unknown {
  const [, unit] = TIME.exec(name) ?? [];
  if (unit !== undefined && typeof value === 'number') {
    return duration(unit === 's' ? value * 1000 : value);
  }
  if (typeof value === 'number') return Number(value.toFixed(1));
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : value;
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0);
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

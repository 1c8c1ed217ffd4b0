/** A list of rows with headings. On a narrow screen what matters less is left out. */
import type { ComponentChildren } from 'preact';
import { hrefOf } from '../context.js';

export interface Column<R> {
  readonly title: string;
  readonly cell: (row: R) => ComponentChildren;
  readonly end?: boolean;
  /** Takes what is left of the width, and is cut off. */
  readonly grows?: boolean;
  /** From which width on it is shown. */
  readonly from?: 'tablet' | 'desktop';
}

export function Table<R>(props: {
  label: string;
  columns: readonly Column<R>[];
  rows: readonly R[];
  keyOf: (row: R) => string | number;
}) {
  const { label, columns, rows, keyOf } = props;
  const classOf = ({ end, grows, from }: Column<R>) =>
    [end && 'end', grows && 'grows', from && `from-${from}`].filter(Boolean).join(' ');
  return (
    <div class="table-box">
      <table aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.title} scope="col" class={classOf(column)}>
                {column.title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)}>
              {columns.map((column) => (
                <td key={column.title} class={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Opens the drawer of a question over the view one is in. */
export function QuestionLink(props: { view: string; id: number; text: string | undefined }) {
  const { view, id, text } = props;
  return (
    <a class="question-link" href={hrefOf(view, id)}>
      {text === undefined || text.trim() === '' ? <em>no text</em> : text}
    </a>
  );
}

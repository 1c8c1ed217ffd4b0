/**
 * The four foreign tables of the bus, and the check that they are what we think. They are never
 * altered: no index, no trigger, no column.
 */
import type { Database } from 'better-sqlite3';
import { BusError } from '../bus.js';

/**
 * Columns we read or write. More columns are fine as long as rows without them are; a missing one
 * means another schema.
 */
const FOREIGN_COLUMNS = {
  conversations: [
    'id',
    'session_a_role',
    'session_b_role',
    'session_a_token',
    'session_b_token',
    'created_at',
    'expires_at',
  ],
  messages: [
    'id',
    'conversation_id',
    'from_session',
    'to_session',
    'message',
    'metadata',
    'timestamp',
    'read',
  ],
  session_status: ['conversation_id', 'session_id', 'status', 'last_heartbeat'],
  audit_log: ['id', 'conversation_id', 'session_id', 'action', 'details', 'timestamp'],
} as const;

/** The four tables of a new bus, for demonstrations, tests and `--create`. */
export const FOREIGN_SCHEMA = `
  CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY,
    session_a_role TEXT NOT NULL,
    session_b_role TEXT NOT NULL,
    session_a_token TEXT NOT NULL,
    session_b_token TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT NOT NULL,
    from_session TEXT NOT NULL,
    to_session TEXT NOT NULL,
    message TEXT NOT NULL,
    metadata TEXT,
    timestamp TEXT NOT NULL,
    read INTEGER DEFAULT 0,
    FOREIGN KEY (conversation_id) REFERENCES conversations(id)
  );
  CREATE TABLE IF NOT EXISTS session_status (
    conversation_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    status TEXT NOT NULL,
    last_heartbeat TEXT NOT NULL,
    PRIMARY KEY (conversation_id, session_id)
  );
  CREATE TABLE IF NOT EXISTS audit_log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation_id TEXT,
    session_id TEXT,
    action TEXT NOT NULL,
    details TEXT,
    timestamp TEXT NOT NULL
  );
`;

/** @throws BusError `bus_schema` naming what is missing; nothing has been written then */
export function checkForeignSchema(db: Database): void {
  const columnsOf = db.prepare<[string], Column>(
    `SELECT c.name, c."notnull" AND c.dflt_value IS NULL AND c.pk = 0 AS required
     FROM sqlite_master t JOIN pragma_table_info(t.name) c
     WHERE t.type = 'table' AND t.name = ? COLLATE NOCASE`,
  );
  for (const [table, known] of Object.entries<readonly string[]>(FOREIGN_COLUMNS)) {
    const columns = columnsOf.all(table);
    const names = columns.map((column) => column.name);
    const missing = known.filter((column) => !names.includes(column));
    const unfilled = columns.filter((column) => column.required && !known.includes(column.name));
    if (columns.length === 0) {
      throw notOurs(`the file is not a memory bus: it has no table "${table}"; check --db`);
    }
    if (missing.length > 0) {
      throw notOurs(`table "${table}" has no column "${missing.join('", "')}"; ${NEXT_STEP}`);
    }
    if (unfilled[0]) {
      throw notOurs(`table "${table}" demands a column "${unfilled[0].name}"; ${NEXT_STEP}`);
    }
  }
}

interface Column {
  readonly name: string;
  /** Rows must come with a value for it. */
  readonly required: 0 | 1;
}

const NEXT_STEP = 'this version of warmline does not know this bus, look for a newer one';

function notOurs(message: string): BusError {
  return new BusError('bus_schema', `${message}; nothing was changed`);
}

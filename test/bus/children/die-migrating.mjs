// Opens the bus named first and is killed, as by a power cut, at the Nth statement that runs.
import Database from 'better-sqlite3';
import { openSqliteBus } from '../../../dist/src/bus/index.js';

const [file, deadline] = process.argv.slice(2);
let left = Number(deadline);

function die() {
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
}

const { exec, prepare, pragma } = Database.prototype;
Database.prototype.exec = function (sql) {
  // A migration is one text of many statements; death may come after each of them.
  for (const statement of sql.split(/;\s*\n\s*(?=CREATE|INSERT|$)/)) {
    if (statement.trim() === '') continue;
    exec.call(this, `${statement};`);
    die();
  }
  return this;
};
Database.prototype.pragma = function (...words) {
  const result = pragma.apply(this, words);
  die();
  return result;
};
Database.prototype.prepare = function (sql) {
  const statement = prepare.call(this, sql);
  if (/^\s*(BEGIN|COMMIT)/.test(sql)) die();
  return statement;
};

await openSqliteBus({ file }).close();

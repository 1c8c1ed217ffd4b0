/** What the doctor finds in a bus, for a user who may not do everything. */
import { checkBus } from '../../../dist/clients/cli/doctor/bus.js';
import { sqliteVersion } from '../../../dist/src/bus/index.js';

const NOBODY = 65_534;

// Loads all code: the user we become may not be able to read it.
sqliteVersion();
if (process.getuid() === 0) {
  process.setgid(NOBODY);
  process.setuid(NOBODY);
}
process.stdout.write(JSON.stringify(checkBus({ bus: { db: process.argv[2], session: 'b' } })));

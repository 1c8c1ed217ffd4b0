// Opens the bus named on the command line, does a little work and says how that went.
import { openSqliteBus } from '../../../dist/src/bus/index.js';

const [file] = process.argv.slice(2);
try {
  const bus = openSqliteBus({ file });
  const leases = await bus.claim({ limit: 1, leaseMs: 1000 });
  await bus.close();
  console.log(JSON.stringify({ leases: leases.length }));
} catch (error) {
  console.log(JSON.stringify({ name: error.name, code: error.code, message: error.message }));
}

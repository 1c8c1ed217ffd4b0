// Takes the lock of a place and keeps it.
import { takeLock } from '../../../dist/clients/daemon/lock.js';

const lock = takeLock(process.argv[2]);
process.stdout.write(lock === undefined ? 'refused\n' : 'locked\n');
setInterval(() => lock, 1e9);

/** Start-up is recovery: what earlier processes left is taken up, and said once. */
import { auditRecovery, countTakenIn, type Recovery, type SqliteBus } from '../../src/bus/index.js';
import type { Log } from '../../src/log.js';
import type { Reaper } from './reaper.js';

/**
 * Leases of processes that are gone, and leases that ran out, are free when this returns. There is
 * one line in the log, and one row in the audit of the bus when something had been left behind.
 */
export async function recover(bus: SqliteBus, reaper: Reaper, log: Log): Promise<Recovery> {
  const takenIn = countTakenIn(bus);
  const { gone: resumed, expired } = await reaper.pass();
  const { pending, leased: elsewhere, dead } = bus.stats();
  const found = { pending, elsewhere, resumed, expired, dead };
  log.info(found, 'bus opened');
  // Work that somebody is at, or that has only come now, is not left behind.
  const leftBehind = resumed + expired > 0 || (takenIn > 0 && elsewhere === 0);
  if (leftBehind) {
    // Not waited for: whatever holds up the bus must not hold up the start.
    auditRecovery(bus, found).catch((error) => log.warn({ err: error }, 'recovery not audited'));
  }
  return found;
}

/** A program: looks for damage in the bus that is its argument, and prints a `Look`. */
import { BusError, findDamage } from '../../src/bus/index.js';
import type { Look } from './housekeeping.js';

function look(file: string): Look {
  try {
    return { damage: findDamage(file) };
  } catch (error) {
    if (error instanceof BusError && error.code === 'bus_corrupt') {
      return { damage: error.message };
    }
    throw error;
  }
}

process.stdout.write(JSON.stringify(look(process.argv[2] ?? '')));

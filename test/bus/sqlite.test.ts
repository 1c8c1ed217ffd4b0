import { busSuite } from '../contract/bus.suite.js';
import { sqliteHarness } from './sqlite-harness.js';

busSuite('the bus on SQLite', sqliteHarness);

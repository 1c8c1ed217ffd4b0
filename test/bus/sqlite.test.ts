import { busSuite } from '../contract/bus.suite.js';
import { dependsSuite } from '../contract/depends.suite.js';
import { sqliteHarness } from './sqlite-harness.js';

busSuite('the bus on SQLite', sqliteHarness);
dependsSuite('the bus on SQLite', sqliteHarness);

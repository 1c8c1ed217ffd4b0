import { busSuite } from '../contract/bus.suite.js';
import { dependsSuite } from '../contract/depends.suite.js';
import { memoryHarness } from './memory-harness.js';

busSuite('the bus in memory', memoryHarness);
dependsSuite('the bus in memory', memoryHarness);

import { busSuite } from '../contract/bus.suite.js';
import { memoryHarness } from './memory-harness.js';

busSuite('the bus in memory', memoryHarness);

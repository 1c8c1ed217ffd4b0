import { appendFileSync, closeSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { placeOf } from '../../clients/daemon/index.js';
import { openLog, trimLog } from '../../clients/daemon/log-file.js';
import { makePlace } from '../../clients/daemon/place.js';
import { tempDir } from '../support/process.js';

function aLog() {
  const dir = tempDir();
  const place = placeOf(join(dir, 'bus.db'), { XDG_STATE_HOME: dir });
  makePlace(place);
  const descriptor = openLog(place);
  onTestFinished(() => closeSync(descriptor));
  return { place, log: place.log, descriptor };
}

test('a log is appended to from one start to the next, by its user only', () => {
  const { place, log, descriptor } = aLog();
  writeSync(descriptor, 'first\n');
  const again = openLog(place);
  writeSync(again, 'second\n');
  closeSync(again);
  expect(readFileSync(log, 'utf8')).toBe('first\nsecond\n');
  expect(statSync(log).mode & 0o777).toBe(0o600);
});

test('a log that has grown is put aside once, and begins anew for whoever has it open', () => {
  const { log, descriptor } = aLog();
  writeSync(descriptor, 'old\n');
  trimLog(log, descriptor, 4);
  expect(readFileSync(log, 'utf8')).toBe('old\n');
  writeSync(descriptor, 'more\n');
  trimLog(log, descriptor, 4);
  writeSync(descriptor, 'new\n');
  expect(readFileSync(`${log}.1`, 'utf8')).toBe('old\nmore\n');
  expect(readFileSync(log, 'utf8')).toBe('new\n');
});

test('a log that somebody put away stays bounded, and the one in its place is left alone', () => {
  const { log, descriptor } = aLog();
  writeSync(descriptor, 'a line\n');
  rmSync(log);
  appendFileSync(log, 'of somebody else\n');
  trimLog(log, descriptor, 4);
  expect(readFileSync(log, 'utf8')).toBe('of somebody else\n');
  expect(() => statSync(`${log}.1`)).toThrow('ENOENT');
});

import { expect, test } from 'vitest';
import { Progress } from '../../clients/mcp/progress.js';

test('of progress that comes faster than it is read only the latest is told', async () => {
  const told: string[] = [];
  let read = (): void => undefined;
  const progress = new Progress((_elapsedS, message) => {
    told.push(message);
    return new Promise((resolve) => {
      read = resolve;
    });
  });
  progress.tell('one');
  for (let count = 2; count <= 1000; count += 1) progress.tell(`${count}`);
  expect(told).toEqual(['one']);
  read();
  await expect.poll(() => told).toEqual(['one', '1000']);
  progress.end();
});

test('after the end of a call nothing is told of it', () => {
  const told: string[] = [];
  const progress = new Progress(async (_elapsedS, message) => void told.push(message));
  progress.end();
  progress.tell('late');
  expect(told).toEqual([]);
});

test('while nothing new comes, the latest is told again, at a later time', async () => {
  const told: string[] = [];
  const times: number[] = [];
  const progress = new Progress(async (elapsedS, message) => {
    told.push(message);
    times.push(elapsedS);
  }, 1);
  progress.tell('queued');
  await expect.poll(() => told.length).toBeGreaterThan(2);
  progress.end();
  expect(new Set(told)).toEqual(new Set(['queued']));
  expect(times).toEqual([...new Set(times)].sort((one, other) => one - other));
});

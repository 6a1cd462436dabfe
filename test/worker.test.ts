import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { pino } from 'pino';
import { startWorker } from '../src/worker.ts';
import { becomesTrue } from './flows/support.ts';

const REST = 60;

test('a job that is woken again and again runs once for all of it, after its rest', async () => {
  const begun: number[] = [];
  const job = {
    name: 'job',
    interval: 3_600_000,
    rest: REST,
    run: async () => void begun.push(performance.now()),
  };
  const worker = startWorker([job], pino({ level: 'silent' }));
  after(() => worker.stop());
  assert.ok(await becomesTrue(() => begun.length === 1, 10_000), 'it runs at the start');
  for (let i = 0; i < 20; i += 1) worker.wake('job');
  assert.ok(await becomesTrue(() => begun.length === 2, 10_000), 'it runs when woken');
  const [first = 0, second = 0] = begun;
  assert.ok(second - first >= REST - 2, `${second - first} ms apart`);
  for (let i = 0; i < 20; i += 1) worker.wake('job');
  assert.ok(await becomesTrue(() => begun.length === 3, 10_000), 'and again');
  await worker.stop();
  worker.wake('job');
  assert.equal(begun.length, 3);
});

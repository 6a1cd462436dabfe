import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBreaker } from '../../src/kernel/breaker.ts';
import { createFakeClock } from '../helpers/clock.ts';

const down = new Error('down');
const isDown = (error: unknown): boolean => error === down;

/** A breaker and a dependency that is up or not, and counts how often it is asked. */
function stage() {
  const clock = createFakeClock();
  const breaker = createBreaker(isDown, clock.now);
  const dependency = { isUp: false, asked: 0 };
  const ask = () =>
    breaker(
      async () => {
        dependency.asked += 1;
        if (!dependency.isUp) throw down;
        return 'answer';
      },
      () => 'record',
    );
  return { clock, breaker, dependency, ask };
}

test('what stands in is asked when the dependency fails, and for a second at once', async () => {
  const { dependency, ask, clock } = stage();
  for (let i = 0; i < 5; i += 1) assert.equal(await ask(), 'record');
  assert.equal(dependency.asked, 1);
  clock.advance(1_000);
  assert.equal(await ask(), 'record');
  assert.equal(dependency.asked, 2, 'asked again, and found away again');
  assert.equal(await ask(), 'record');
  assert.equal(dependency.asked, 2);
});

test('a dependency that is back is used from then on', async () => {
  const { dependency, ask, clock } = stage();
  await ask();
  dependency.isUp = true;
  clock.advance(1_000);
  for (let i = 0; i < 3; i += 1) assert.equal(await ask(), 'answer');
  assert.equal(dependency.asked, 4);
});

test('one caller at a time tries; the others do not wait', async () => {
  const { breaker, ask, dependency, clock } = stage();
  await ask();
  clock.advance(1_000);
  const gate = Promise.withResolvers<string>();
  const trying = breaker(
    () => gate.promise,
    () => 'record',
  );
  for (let i = 0; i < 3; i += 1) assert.equal(await ask(), 'record');
  assert.equal(dependency.asked, 1);
  gate.resolve('answer');
  assert.equal(await trying, 'answer');
  dependency.isUp = true;
  assert.equal(await ask(), 'answer');
});

test('an error of the work itself is thrown, and is no failure of the dependency', async () => {
  const { breaker, ask, dependency } = stage();
  const bug = new Error('bug');
  await assert.rejects(
    breaker(
      () => Promise.reject(bug),
      () => 'record',
    ),
    bug,
  );
  dependency.isUp = true;
  assert.equal(await ask(), 'answer');
});

test('when neither answers, the caller is told', async () => {
  const { breaker } = stage();
  const fail = () => Promise.reject(down);
  await assert.rejects(breaker(fail, fail), down);
});

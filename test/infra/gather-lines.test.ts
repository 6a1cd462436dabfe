import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { gatherLines } from '../../src/infra/gather-lines.ts';

test('lines leave together and in order, after ten milliseconds at the latest', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const writes: string[] = [];
  const destination = gatherLines({ write: (text) => void writes.push(text) });
  destination.write('one\n');
  t.mock.timers.tick(9);
  destination.write('two\n');
  assert.deepEqual(writes, []);
  t.mock.timers.tick(1);
  destination.write('three\n');
  t.mock.timers.tick(10);
  assert.deepEqual(writes, ['one\ntwo\n', 'three\n']);
});

test('many lines do not wait', () => {
  const writes: string[] = [];
  const destination = gatherLines({ write: (text) => void writes.push(text) });
  destination.write('x'.repeat(20_000));
  assert.equal(writes.length, 1);
});

for (const [how, end] of [
  ['exits', 'process.exit(3)'],
  ['throws', 'throw new Error("unexpected")'],
]) {
  test(`nothing is lost when the process ${how} before they do`, () => {
    const logger = new URL('../../src/infra/logger.ts', import.meta.url).href;
    const script = `const { createLogger } = await import(${JSON.stringify(logger)});
      const log = createLogger({ level: 'info' });
      log.info('first'); log.info('last');
      ${end};`;
    const args = ['--input-type=module', '--eval', script];
    const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    const messages = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).msg);
    assert.deepEqual(messages, ['first', 'last']);
  });
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../src/kernel/errors.ts';
import { seedPeople, startGatehouse } from '../helpers/gatehouse.ts';
import { createCli, hasStack } from './harness.ts';

const { config, deps } = await startGatehouse();
const { user } = await seedPeople(deps);
const cli = await createCli({
  DATABASE_URL: config.DATABASE_URL.reveal(),
  REDIS_PREFIX: config.REDIS_PREFIX,
  KEY_ENCRYPTION_KEY: config.KEY_ENCRYPTION_KEY?.reveal() ?? '',
});

const isRefused = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'IDENT_RATE_LIMITED';
const unlock = (...more: string[]) =>
  cli.run(['codes', 'unlock', '--tenant', 'lotus', ...more, '--json']);

test('ASVS 6.1.1: an operator opens the codes of a person again, by any identifier', async () => {
  const ids = [`email:${user.email}`, `user:${user.id}`];
  for (const id of ids) {
    await deps.codes.request('email-auth', id);
    await deps.codes.request('add-email', id);
    await assert.rejects(deps.codes.request('email-auth', id), isRefused);
  }
  const one = await unlock('--identifier', user.username, '--namespace', 'email-auth');
  assert.equal(one.code, 0, one.all);
  assert.deepEqual(one.json(), { userId: user.id, namespaces: ['email-auth'] });
  for (const id of ids) {
    await deps.codes.request('email-auth', id);
    await assert.rejects(deps.codes.request('add-email', id), isRefused);
  }
  const all = await unlock('--identifier', user.email);
  assert.equal(all.code, 0, all.all);
  for (const id of ids) await deps.codes.request('add-email', id);
});

test('an identifier that nobody has is opened too; what is none is refused in words', async () => {
  await deps.codes.request('email-auth', 'email:nobody@lotus.example');
  const done = await unlock('--identifier', 'Nobody@Lotus.example');
  assert.equal(done.code, 0, done.all);
  assert.equal(done.json().userId, null);
  await deps.codes.request('email-auth', 'email:nobody@lotus.example');
  for (const wrong of [
    ['--identifier', user.email, '--namespace', 'nonsense'],
    ['--identifier', ' '],
  ]) {
    const refused = await unlock(...wrong);
    assert.equal(refused.code, 2, refused.all);
    assert.ok(!hasStack(refused));
  }
});

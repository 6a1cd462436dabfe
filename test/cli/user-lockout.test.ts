import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { parseConfig } from '../../src/config.ts';
import { createDeps } from '../../src/deps.ts';
import { addApp } from '../features/authenticators/support.ts';
import { createCli } from './harness.ts';

const cli = await createCli();
const deps = await createDeps(parseConfig({ ...cli.env, LOG_LEVEL: 'silent' }));
after(() => deps.close());
const tenant = await deps.tenants.create({ slug: 'lotus', name: 'Lotus Health' });
await deps.tenants.create({ slug: 'orchid', name: 'Orchid' });
const user = await deps.users.create(
  { tenantId: tenant.id, email: 'an@lotus.example' },
  'correct horse battery staple',
);

/** One sign-in, right or wrong, by somebody without an address. */
const tryPassword = (password: string, clientIp: string) =>
  deps.signIn.withPassword({
    identifier: 'an@lotus.example',
    password,
    organisation: null,
    tenantId: tenant.id,
    clientId: null,
    clientIp,
    device: null,
  });

test('users unlock opens an account at once, by whichever name it is called', async () => {
  for (let i = 0; i < 10; i += 1) {
    await assert.rejects(tryPassword('wrong', `192.0.2.${i}`), {
      code: 'IDENT_INVALID_CREDENTIALS',
    });
  }
  const right = 'correct horse battery staple';
  await assert.rejects(tryPassword(right, '192.0.2.11'), { code: 'IDENT_LOCKED' });
  const elsewhere = await cli.run(['users', 'unlock', 'an@lotus.example', '--tenant', 'orchid']);
  assert.equal(elsewhere.code, 1);
  assert.match(elsewhere.stderr, /no user "an@lotus\.example" in this tenant/);
  const done = await cli.run([
    ...['users', 'unlock', 'an@lotus.example', '--tenant', 'lotus', '--json'],
  ]);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(done.json(), { userId: user.id, wasLocked: true });
  assert.equal((await tryPassword(right, '192.0.2.12')).user.id, user.id);
  const again = await cli.run(['users', 'unlock', user.id, '--tenant', 'lotus', '--json']);
  assert.deepEqual(again.json(), { userId: user.id, wasLocked: false });
});

test('users forget-browsers takes the worth of every device cookie', async () => {
  const { device } = await tryPassword('correct horse battery staple', '192.0.2.13');
  for (let i = 0; i < 10; i += 1) {
    await assert.rejects(tryPassword('wrong', `198.51.100.${i}`));
  }
  assert.equal(await deps.signIn.isLockedFor(user, device), false);
  const done = await cli.run([
    ...['users', 'forget-browsers', 'an@lotus.example', '--tenant', 'lotus', '--json'],
  ]);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(done.json(), { userId: user.id, forgotten: 2 });
  assert.equal(await deps.signIn.isLockedFor(user, device), true);
});

test('users reset-mfa takes every second factor away and ends the sessions', async () => {
  const owner = { id: user.id, tenantId: tenant.id };
  await addApp({ deps, clock: deps.clock }, owner);
  const [code = ''] = await deps.recoveryCodes.generateFirst(owner);
  const args = ['users', 'reset-mfa', 'an@lotus.example', '--json', '--tenant'];
  const elsewhere = await cli.run([...args, 'orchid']);
  assert.equal(elsewhere.code, 1);
  assert.equal((await deps.totp.list(owner)).length, 1);
  const done = await cli.run([...args, 'lotus']);
  assert.equal(done.code, 0, done.stderr);
  assert.deepEqual(done.json(), { userId: user.id, removed: 1 });
  assert.deepEqual(await deps.totp.list(owner), []);
  assert.equal(await deps.recoveryCodes.verify(owner, code), false);
});

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createCli, hasStack } from './harness.ts';

const cli = await createCli();
await cli.run(['tenants', 'create', 'lotus', '--name', 'Lotus Health']);
await cli.run(['tenants', 'create', 'maple', '--name', 'Maple Clinic']);
const EMAIL = 'an@lotus.example';
await cli.run(['users', 'create', '--tenant', 'lotus', '--email', EMAIL, '--name', 'An']);
const of = ['--tenant', 'lotus', '--json'];
const settings = ['tenants', 'settings'];

test('settings of a tenant are typed: what does not fit is refused in words, null is the default', async () => {
  const set = await cli.run([...settings, 'set', 'lotus', 'selfRegistration=true', '--json']);
  assert.equal(set.code, 0, set.stderr);
  const got = await cli.run([...settings, 'get', 'lotus', 'selfRegistration', '--json']);
  assert.deepEqual(got.json(), { settings: { selfRegistration: true } });
  const file = path.join(cli.dir, 'attributes.json');
  await writeFile(file, '{"type":"object","properties":{"ward":{"type":"string"}}}');
  const both = ['selfRegistration=null', `userAttributes=@${file}`, '--json'];
  const changed = (await cli.run([...settings, 'set', 'lotus', ...both])).json();
  const after = changed.settings as Record<string, unknown>;
  assert.equal(after.selfRegistration, false);
  assert.ok(JSON.stringify(after.userAttributes).includes('ward'));
  const cases: [string[], RegExp, number][] = [
    [['set', 'lotus', 'selfRegistration=maybe'], /selfRegistration/, 1],
    [['set', 'lotus', 'passwordMinLength=4'], /passwordMinLength/, 1],
    [['set', 'lotus', 'noSuch=1'], /no setting noSuch[\s\S]*selfRegistration/, 2],
    [['set', 'lotus', 'selfRegistration'], /not name=value/, 2],
    [['get', 'lotus', 'noSuch'], /no setting noSuch/, 2],
    [['get', 'nope'], /no tenant "nope"/, 1],
  ];
  for (const [args, message, code] of cases) {
    const refused = await cli.run([...settings, ...args]);
    assert.equal(refused.code, code, args.join(' '));
    assert.match(refused.stderr, message);
    assert.ok(!hasStack(refused));
  }
});

test('a user is shown, changed, suspended, opened again and erased', async () => {
  const attribute = ['--attribute', 'ward=North'];
  const changed = await cli.run(
    ['users', 'update', EMAIL, '--name', 'An N.', '--zoneinfo', 'Asia/Ho_Chi_Minh'].concat(
      attribute,
      of,
    ),
  );
  assert.equal(changed.code, 0, changed.stderr);
  const { user } = changed.json() as { user: Record<string, unknown> };
  assert.deepEqual([user.name, user.attributes], ['An N.', { ward: 'North' }]);
  const shown = await cli.run(['users', 'show', EMAIL, '--tenant', 'lotus']);
  assert.match(shown.stdout, /Asia\/Ho_Chi_Minh/);

  const statusAfter = async (change: string) => {
    const run = await cli.run(['users', change, String(user.id), ...of]);
    assert.equal(run.code, 0, run.stderr);
    return (run.json().user as Record<string, unknown>).status;
  };
  assert.equal(await statusAfter('suspend'), 'suspended');
  const twice = await cli.run(['users', 'suspend', EMAIL, ...of]);
  assert.deepEqual([twice.code, hasStack(twice)], [1, false]);
  assert.match(twice.stderr, /suspended/);
  assert.equal(await statusAfter('reactivate'), 'active');

  const asked = await cli.run(['users', 'delete', EMAIL, ...of]);
  assert.equal(asked.code, 2);
  assert.match(asked.stderr, /--yes/);
  const erased = await cli.run(['users', 'delete', EMAIL, '--yes', ...of]);
  assert.deepEqual(erased.json(), { deleted: user.id });
  const [row] = await cli.query('SELECT status, email, name FROM users WHERE id = $1', [user.id]);
  assert.deepEqual(row, { status: 'deactivated', email: null, name: null });
});

test('what cannot be changed is said in words', async () => {
  const cases: [string[], RegExp][] = [
    [['users', 'show', 'nobody', ...of], /no user "nobody"/],
    [['users', 'show', EMAIL, '--tenant', 'maple'], /no user/],
    [['users', 'update', EMAIL, ...of], /nothing to change/],
    [['users', 'update', EMAIL, '--zoneinfo', 'Mars/Base', ...of], /zoneinfo: must be a time zone/],
    [['users', 'update', EMAIL, '--attribute', 'ward', ...of], /not name=value/],
  ];
  for (const [args, message] of cases) {
    const refused = await cli.run(args);
    assert.notEqual(refused.code, 0, args.join(' '));
    assert.match(refused.stderr, message);
    assert.ok(!hasStack(refused));
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCli, hasStack } from './harness.ts';

const cli = await createCli();
await cli.run(['tenants', 'create', 'lotus', '--name', 'Lotus Health']);

const AUDIENCE = 'https://orders.example/api';

interface Told {
  resourceServer: {
    audience: string;
    scopes: { name: string; description?: string }[];
    accessTokenTtl: number | null;
    signingAlg: string | null;
    format: string;
    isShared: boolean;
    isDisabled: boolean;
  };
}

const run = (command: string, ...more: string[]) =>
  cli.run(['resource-servers', command, AUDIENCE, '--tenant', 'lotus', '--json', ...more]);
async function told(command: string, ...more: string[]): Promise<Told['resourceServer']> {
  const answer = await run(command, ...more);
  assert.equal(answer.code, 0, answer.stderr);
  return (answer.json() as unknown as Told).resourceServer;
}

test('a resource server is made, shown, listed, changed and deleted', async () => {
  const made = await told(
    'create',
    ...['--name', 'Orders', '--scope', 'orders:read=See your orders', '--scope', 'orders:write'],
    ...['--token-ttl', '120', '--alg', 'ES256'],
  );
  assert.deepEqual(made.scopes, [
    { name: 'orders:read', description: 'See your orders' },
    { name: 'orders:write' },
  ]);
  assert.equal(made.accessTokenTtl, 120);
  assert.equal(made.signingAlg, 'ES256');
  assert.equal(made.format, 'jwt');
  assert.equal(made.isShared, false);
  assert.deepEqual(await told('show'), made);

  const changed = await told('update', '--token-ttl', 'default', '--alg', 'default', '--disable');
  assert.equal(changed.accessTokenTtl, null);
  assert.equal(changed.signingAlg, null);
  assert.equal(changed.isDisabled, true);
  assert.deepEqual(changed.scopes, made.scopes);
  assert.equal((await told('update', '--enable')).isDisabled, false);

  const list = await cli.run(['resource-servers', 'list']);
  assert.match(list.stdout, /^AUDIENCE +NAME +TENANT/);
  assert.match(list.stdout, /^https:\/\/orders\.example\/api +Orders +lotus +no +jwt/m);

  assert.deepEqual((await run('delete')).json(), { deleted: AUDIENCE });
  assert.equal((await run('delete')).code, 1);
});

test('one of the platform is for clients of every tenant', async () => {
  const args = ['resource-servers', 'create', 'urn:shared', '--tenant', 'platform'];
  const made = await cli.run([...args, '--name', 'Shared', '--format', 'opaque']);
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /platform \(for clients of every tenant\)/);
  assert.match(made.stdout, /^format +opaque/m);
});

test('what is wrong is named', async () => {
  const of = ['--tenant', 'lotus'];
  const named = [...of, '--name', 'X'];
  const cases: [string[], number, RegExp][] = [
    [['create', 'nowhere', ...named], 1, /audience: must be an absolute URI/],
    [['create', 'urn:shared', ...named], 1, /audience: is taken/],
    [['create', `${cli.env.ISSUER}/api`, ...named], 1, /audience: is part of the issuer/],
    [['create', 'urn:x', ...named, '--scope', '=x'], 2, /--scope needs a name/],
    [['create', 'urn:x', ...named, '--scope', 'openid'], 1, /scopes\.0\.name: is reserved/],
    [['create', 'urn:x', ...named, '--token-ttl', 'long'], 2, /--token-ttl needs a number/],
    [['create', 'urn:x', ...named, '--token-ttl', '1'], 1, /accessTokenTtl: /],
    [['create', 'urn:x', ...named, '--alg', 'HS256'], 1, /signingAlg: /],
    [['create', 'urn:x', ...of], 2, /--name/],
    [['update', 'urn:shared', ...of, '--name', 'Y'], 1, /no resource server "urn:shared" in ten/],
    [['update', 'urn:x', ...of], 2, /Nothing to change/],
    [['update', 'urn:x', ...of, '--disable', '--enable'], 2, /one of --disable and --enable/],
    [['show', 'urn:none', ...of], 1, /no resource server "urn:none"/],
  ];
  for (const [args, code, message] of cases) {
    const refused = await cli.run(['resource-servers', ...args]);
    assert.equal(refused.code, code, args.join(' '));
    assert.match(refused.stderr, message);
    assert.equal(refused.stdout, '');
    assert.ok(!hasStack(refused), refused.stderr);
  }
});

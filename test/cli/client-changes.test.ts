import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, createCli, hasStack } from './harness.ts';

const cli = await createCli();
await cli.run(['tenants', 'create', 'lotus', '--name', 'Lotus Health']);
await cli.run(['tenants', 'create', 'other', '--name', 'Other']);

interface Told {
  client: {
    clientId: string;
    isFirstParty: boolean;
    isDisabled: boolean;
    version: number;
    previousSecretExpiresAt: string | null;
    metadata: Record<string, unknown>;
  };
  clientSecret: string | null;
  ignored: string[];
}

const REDIRECT = 'https://portal.example/callback';
const OF_LOTUS = ['--tenant', 'lotus'];
await cli.run([
  ...['clients', 'create', ...OF_LOTUS, '--id', 'portal', '--name', 'Portal'],
  ...['--redirect-uri', REDIRECT, '--scope', 'openid', '--scope', 'email'],
]);

const run = (command: string, ...more: string[]) =>
  cli.run(['clients', command, 'portal', ...OF_LOTUS, '--json', ...more]);
const told = async (command: string, ...more: string[]): Promise<Told> => {
  const answer = await run(command, ...more);
  assert.equal(answer.code, 0, answer.stderr);
  return answer.json() as unknown as Told;
};

test('one client is shown with all its metadata and no secret', async () => {
  const shown = await run('show');
  assert.equal((shown.json() as unknown as Told).client.metadata.client_name, 'Portal');
  assert.doesNotMatch(shown.stdout, /hash|sealed|client_secret"/i);
  const text = await cli.run(['clients', 'show', 'portal', ...OF_LOTUS]);
  assert.match(text.stdout, /^client_id +portal/m);
  assert.match(text.stdout, /^scope +openid email/m);
});

test('members are set, unset and replaced; what is not named stays', async () => {
  const changed = await told(
    'update',
    ...['--name', 'Renamed', '--set', 'access_token_ttl=120', '--unset', 'scope', '--first-party'],
  );
  assert.equal(changed.client.metadata.client_name, 'Renamed');
  assert.equal(changed.client.metadata.access_token_ttl, 120);
  assert.ok(!('scope' in changed.client.metadata));
  assert.deepEqual(changed.client.metadata.redirect_uris, [REDIRECT]);
  assert.equal(changed.client.isFirstParty, true);
  assert.equal(changed.clientSecret, null);

  const replaced = await told('update', '--replace', '--redirect-uri', REDIRECT);
  assert.deepEqual(replaced.client.metadata, { client_id: 'portal', redirect_uris: [REDIRECT] });
  assert.equal(replaced.client.isFirstParty, true);
  const third = await told('update', '--no-first-party');
  assert.equal(third.client.isFirstParty, false);
});

test('a new way to authenticate that needs a secret shows one, once', async () => {
  const changed = await run('update', '--auth-method', 'client_secret_jwt');
  const { clientSecret } = changed.json() as unknown as Told;
  assert.ok(clientSecret);
  assert.equal(count(changed.all, clientSecret), 1);
  assert.equal(count((await run('show')).all, clientSecret), 0);
});

test('a rotated secret is shown exactly once, and the end of the old one is told', async () => {
  const rotated = await cli.run(
    ['clients', 'rotate-secret', 'portal', ...OF_LOTUS, '--overlap', '7200', '--json'],
    { env: { LOG_LEVEL: 'trace' } },
  );
  const { client, clientSecret } = rotated.json() as unknown as Told;
  assert.ok(clientSecret);
  assert.equal(count(rotated.all, clientSecret), 1);
  const left = Date.parse(client.previousSecretExpiresAt ?? '') - Date.now();
  assert.ok(left > 6_000_000 && left <= 7_200_000, String(left));

  const text = await cli.run(['clients', 'rotate-secret', 'portal', ...OF_LOTUS]);
  assert.match(text.stdout, /The secret before it opens for 1 d yet\./);
  const now = await told('rotate-secret', '--overlap', '0');
  assert.equal(now.client.previousSecretExpiresAt, null);
});

test('a client is disabled and enabled, and lists say so', async () => {
  assert.equal((await told('disable')).client.isDisabled, true);
  const list = await cli.run(['clients', 'list', '--json']);
  const { clients } = list.json() as { clients: { isDisabled: boolean }[] };
  assert.deepEqual(
    clients.map(({ isDisabled }) => isDisabled),
    [true],
  );
  assert.equal((await told('show')).client.isDisabled, true);
  assert.equal((await told('enable')).client.isDisabled, false);
});

test('what is wrong is named, and nothing changes', async () => {
  const before = await told('show');
  const cases: [string[], number, RegExp][] = [
    [['update', 'portal', ...OF_LOTUS], 2, /Nothing to change/],
    [
      ['update', 'portal', ...OF_LOTUS, '--set', 'access_token_ttl=1'],
      1,
      /metadata\.access_token_ttl: .*between 30 and 86400/,
    ],
    [['update', 'portal', ...OF_LOTUS, '--set', 'client_id=x'], 1, /client_id: cannot be changed/],
    [['update', 'portal', ...OF_LOTUS, '--set', 'client_secret=x'], 2, /must not be an argument/],
    [['update', 'nobody', ...OF_LOTUS, '--name', 'x'], 1, /no client "nobody" in tenant lotus/],
    [['update', 'portal', '--tenant', 'other', '--name', 'x'], 1, /no client "portal" in tenant/],
    [['rotate-secret', 'portal', ...OF_LOTUS, '--overlap', 'long'], 2, /number of seconds/],
    [['rotate-secret', 'portal', ...OF_LOTUS, '--overlap', '99999999'], 1, /overlap: /],
    [['rotate-secret', 'portal', '--tenant', 'other'], 1, /no client "portal" in tenant other/],
    [['disable', 'portal', '--tenant', 'other'], 1, /no client "portal" in tenant other/],
    [['enable', 'nobody', ...OF_LOTUS], 1, /no client "nobody"/],
    [['show', 'nobody', ...OF_LOTUS], 1, /no client "nobody"/],
    [['show', 'portal'], 2, /--tenant/],
  ];
  for (const [args, code, message] of cases) {
    const refused = await cli.run(['clients', ...args]);
    assert.equal(refused.code, code, args.join(' '));
    assert.match(refused.stderr, message);
    assert.equal(refused.stdout, '');
    assert.ok(!hasStack(refused), refused.stderr);
  }
  assert.deepEqual(await told('show'), before);
});

test('a public client has no secret to rotate, and is told so', async () => {
  await told('update', '--auth-method', 'none', '--grant', 'authorization_code');
  const refused = await run('rotate-secret');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /has no secret/);
});

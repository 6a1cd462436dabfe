import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { count, createCli, hasStack } from './harness.ts';

const cli = await createCli();
await cli.run(['tenants', 'create', 'lotus', '--name', 'Lotus Health']);

const create = ['clients', 'create', '--tenant', 'lotus', '--json'];
const REDIRECT = ['--redirect-uri', 'https://portal.example/callback'];

interface Created {
  client: {
    clientId: string;
    isFirstParty: boolean;
    metadata: Record<string, unknown>;
  };
  clientSecret: string | null;
  ignored: string[];
}

const clientIds = async () =>
  (await cli.query('SELECT client_id FROM clients ORDER BY 1')).map((row) => row.client_id);

test('a client takes its metadata from flags, and its secret is shown exactly once', async () => {
  const made = await cli.run(
    [
      ...[...create, '--id', 'portal', '--name', 'Portal', '--first-party', ...REDIRECT],
      ...['--redirect-uri', 'https://portal.example/other', '--grant', 'authorization_code'],
      ...['--grant', 'refresh_token', '--scope', 'openid', '--scope', 'email'],
      ...['--post-logout-redirect-uri', 'https://portal.example/'],
      ...['--auth-method', 'client_secret_post', '--set', 'default_max_age=600'],
    ],
    { env: { LOG_LEVEL: 'trace' } },
  );
  assert.equal(made.code, 0, made.stderr);
  const { client, clientSecret, ignored } = made.json() as unknown as Created;
  assert.equal(client.clientId, 'portal');
  assert.equal(client.isFirstParty, true);
  assert.deepEqual(client.metadata, {
    client_id: 'portal',
    client_name: 'Portal',
    redirect_uris: ['https://portal.example/callback', 'https://portal.example/other'],
    post_logout_redirect_uris: ['https://portal.example/'],
    grant_types: ['authorization_code', 'refresh_token'],
    token_endpoint_auth_method: 'client_secret_post',
    scope: 'openid email',
    default_max_age: 600,
  });
  assert.deepEqual(ignored, []);
  assert.ok(clientSecret);
  assert.equal(count(made.all, clientSecret), 1);
});

test('metadata come from a file or standard input; flags win over --set, that over the file', async () => {
  const metadata = { client_name: 'File', client_uri: 'https://file.example', default_max_age: 1 };
  await writeFile(path.join(cli.dir, 'client.json'), JSON.stringify(metadata));
  const file = ['--metadata', 'client.json', '--set', 'default_max_age=2', '--name', 'Flag'];
  const made = (await cli.run([...create, ...REDIRECT, ...file])).json() as unknown as Created;
  assert.equal(made.client.metadata.client_name, 'Flag');
  assert.equal(made.client.metadata.default_max_age, 2);
  assert.equal(made.client.metadata.client_uri, 'https://file.example');

  const piped = await cli.run([...create, ...REDIRECT, '--metadata', '-'], {
    stdin: JSON.stringify(metadata),
  });
  assert.equal((piped.json() as unknown as Created).client.metadata.client_name, 'File');
});

test('a client for machines alone needs no redirect', async () => {
  const made = await cli.run([...create, '--id', 'machine', '--grant', 'client_credentials']);
  assert.equal(made.code, 0, made.stderr);
  const { client } = made.json() as unknown as Created;
  assert.deepEqual(client.metadata.response_types, []);
});

test('a public client has no secret', async () => {
  const made = await cli.run([...create, ...REDIRECT, '--auth-method', 'none']);
  assert.equal((made.json() as unknown as Created).clientSecret, null);
});

test('a secret that the operator chose is not printed, and is long enough or refused', async () => {
  const secret = 'chosen-by-the-operator-and-long-enough';
  const made = await cli.run([...create, ...REDIRECT, '--metadata', '-'], {
    stdin: JSON.stringify({ client_secret: secret }),
    env: { LOG_LEVEL: 'trace' },
  });
  assert.equal(made.code, 0, made.stderr);
  assert.equal((made.json() as unknown as Created).clientSecret, null);
  assert.equal(count(made.all, secret), 0);

  for (const client_secret of ['0123456789012345678901234567890', 42]) {
    const refused = await cli.run([...create, ...REDIRECT, '--metadata', '-'], {
      stdin: JSON.stringify({ client_secret }),
    });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /metadata\.client_secret: must be a text of at least 32/);
  }
  const argument = await cli.run([...create, ...REDIRECT, '--set', `client_secret=${secret}`]);
  assert.equal(argument.code, 2);
  assert.equal(count(argument.all, secret), 0);
});

test('what the engine refuses is named, and nothing is kept', async () => {
  const before = await clientIds();
  const cases: [string[], RegExp][] = [
    [[...create, '--redirect-uri', 'nowhere'], /metadata\.redirect_uris: /],
    [create, /metadata\.redirect_uris: /],
    [[...create, ...REDIRECT, '--grant', 'password'], /metadata\.grant_types: /],
    [[...create, ...REDIRECT, '--auth-method', 'magic'], /metadata\.token_endpoint_auth_method: /],
    [[...create, ...REDIRECT, '--set', 'client_uri=5'], /metadata\.client_uri: /],
    [[...create, ...REDIRECT, '--id', 'portal'], /clientId: is taken/],
    [[...create, ...REDIRECT, '--id', 'with space'], /clientId: use 1 to 255/],
    [['clients', 'create', '--tenant', 'nope', ...REDIRECT], /no tenant "nope"/],
    [[...create, '--metadata', 'missing.json'], /missing\.json cannot be read/],
  ];
  for (const [args, message] of cases) {
    const refused = await cli.run(args);
    assert.equal(refused.code, 1, args.join(' '));
    assert.match(refused.stderr, message);
    assert.equal(refused.stdout, '');
    assert.ok(!hasStack(refused), refused.stderr);
  }
  const unreadable = await cli.run([...create, '--metadata', '-'], {
    stdin: '{"client_secret":"s3',
  });
  assert.match(unreadable.stderr, /standard input is not valid JSON/);
  assert.equal(count(unreadable.all, 's3'), 0);
  assert.deepEqual(await clientIds(), before);
});

test('a member that has no effect here is pointed out', async () => {
  const made = await cli.run([...create, ...REDIRECT, '--set', 'post_logout_redirect_uri=x']);
  assert.equal(made.code, 0);
  assert.deepEqual(made.json().ignored, ['post_logout_redirect_uri']);
  assert.match(made.stderr, /post_logout_redirect_uri is not known here/);
});

test('clients are listed without any secret or hash, by tenant or all', async () => {
  await cli.run(['tenants', 'create', 'other', '--name', 'Other']);
  const all = await cli.run(['clients', 'list', '--json']);
  const { clients } = all.json() as { clients: Record<string, unknown>[] };
  assert.deepEqual(clients.map(({ clientId }) => clientId).sort(), (await clientIds()).sort());
  assert.doesNotMatch(all.stdout, /secret_?hash|client_secret"/i);
  const none = await cli.run(['clients', 'list', '--tenant', 'other', '--json']);
  assert.deepEqual(none.json(), { clients: [] });
  const text = await cli.run(['clients', 'list']);
  assert.match(text.stdout, /^CLIENT_ID +NAME +TENANT/);
  assert.match(text.stdout, /^portal +Portal +lotus +yes +no +client_secret_post/m);
});

test('a client is deleted in its own tenant only, and once', async () => {
  const wrong = await cli.run(['clients', 'delete', 'machine', '--tenant', 'other']);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /no client "machine" in tenant other/);
  const gone = await cli.run(['clients', 'delete', 'machine', '--tenant', 'lotus', '--json']);
  assert.deepEqual(gone.json(), { deleted: 'machine' });
  assert.ok(!(await clientIds()).includes('machine'));
  assert.equal((await cli.run(['clients', 'delete', 'machine', '--tenant', 'lotus'])).code, 1);
});

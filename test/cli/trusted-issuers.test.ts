import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { exportJWK, generateKeyPair } from 'jose';
import { createCli, hasStack } from './harness.ts';

const cli = await createCli();
await cli.run(['tenants', 'create', 'lotus', '--name', 'Lotus Health']);
await cli.run(['tenants', 'create', 'maple', '--name', 'Maple Clinic']);

const ISSUER = 'https://keycloak.example/realms/lotus';
const GROUP = 'trusted-issuers';
const OF_LOTUS = ['--tenant', 'lotus', '--json'];
const add = [GROUP, 'add', ISSUER, ...OF_LOTUS, '--audience', 'gatehouse'];
const JWKS_URI = ['--jwks-uri', `${ISSUER}/protocol/openid-connect/certs`];

const stored = () => cli.query('SELECT issuer FROM trusted_issuers ORDER BY 1');

test('what makes an entry unsafe or unclear is refused by name, and nothing is kept', async () => {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const secret = await exportJWK(privateKey);
  await writeFile(path.join(cli.dir, 'private.json'), JSON.stringify({ keys: [secret] }));
  const cases: [string[], RegExp][] = [
    [add, /jwksUri: give either jwksUri or jwks/],
    [[...add, ...JWKS_URI, '--jwks', 'private.json'], /jwks/],
    [[...add, '--jwks', 'private.json'], /must be a public key/],
    [[...add, '--jwks', 'missing.json'], /missing\.json cannot be read/],
    [[...add, '--jwks-uri', 'http://keycloak.example/certs'], /jwksUri: must be an https address/],
    [[...add, '--jwks-uri', 'file:///etc/passwd'], /jwksUri: must be an https address/],
    [[...add, ...JWKS_URI, '--alg', 'HS256'], /algs/],
    [[...add, ...JWKS_URI, '--alg', 'none'], /algs/],
    [[...add, ...JWKS_URI, '--link-by', 'phone'], /linkBy/],
    [[...add, ...JWKS_URI, '--max-token-age', 'long'], /maxTokenAge/],
    [[...add, ...JWKS_URI, '--max-token-age', '999999'], /maxTokenAge/],
    [[GROUP, 'add', 'nowhere', ...OF_LOTUS, '--audience', 'x', ...JWKS_URI], /issuer: must be/],
    [
      [GROUP, 'add', String(cli.env.ISSUER), ...OF_LOTUS, '--audience', 'x', ...JWKS_URI],
      /issuer: is this service itself/,
    ],
    [[...add, ...JWKS_URI, '--tenant', 'nope'], /no tenant "nope"/],
  ];
  for (const [args, message] of cases) {
    const refused = await cli.run(args);
    assert.equal(refused.code, 1, args.join(' '));
    assert.match(refused.stderr, message);
    assert.equal(refused.stdout, '');
    assert.ok(!hasStack(refused), refused.stderr);
    assert.ok(!refused.all.includes(String(secret.d)));
  }
  assert.deepEqual(await stored(), []);
});

test('an entry is added with safe defaults, once for each tenant, and its event', async () => {
  const made = await cli.run([...add, ...JWKS_URI]);
  assert.equal(made.code, 0, made.stderr);
  const { trustedIssuer } = made.json() as { trustedIssuer: Record<string, unknown> };
  assert.equal(trustedIssuer.issuer, ISSUER);
  assert.equal(trustedIssuer.linkBy, 'none');
  assert.equal(trustedIssuer.subjectClaim, 'sub');
  assert.equal(trustedIssuer.maxTokenAge, 3_600);
  assert.deepEqual(trustedIssuer.algs, ['RS256', 'PS256', 'ES256', 'EdDSA', 'Ed25519']);
  const twice = await cli.run([...add, ...JWKS_URI]);
  assert.equal(twice.code, 1);
  assert.match(twice.stderr, /issuer: is trusted already/);
  const other = [GROUP, 'add', ISSUER, '--tenant', 'maple', '--audience', 'maple', ...JWKS_URI];
  assert.equal((await cli.run(other)).code, 0);
  const events = await cli.query(
    "SELECT data FROM outbox_events WHERE type = 'identity.trusted_issuer.changed.v1' ORDER BY seq",
  );
  assert.deepEqual(events[0]?.data, { issuer: ISSUER, change: 'added' });
  assert.equal(events.length, 2);
});

test('keys can be given by hand', async () => {
  const { publicKey } = await generateKeyPair('ES256');
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1', alg: 'ES256' }] };
  const issuer = 'https://offline.example';
  const made = await cli.run(
    [GROUP, 'add', issuer, ...OF_LOTUS, '--audience', 'x', '--jwks', '-', '--alg', 'ES256'],
    { stdin: JSON.stringify(jwks) },
  );
  assert.equal(made.code, 0, made.stderr);
  const shown = await cli.run([GROUP, 'show', issuer, '--tenant', 'lotus']);
  assert.match(shown.stdout, /1 given by hand/);
});

test('entries are listed by tenant or all, and shown', async () => {
  const all = (await cli.run([GROUP, 'list', '--json'])).json() as { trustedIssuers: unknown[] };
  assert.equal(all.trustedIssuers.length, 3);
  const ofMaple = await cli.run([GROUP, 'list', '--tenant', 'maple']);
  assert.match(ofMaple.stdout, /^ISSUER +TENANT +AUDIENCE +LINK BY +DISABLED/);
  assert.match(ofMaple.stdout, /realms\/lotus +maple +maple +none +no/);
  assert.doesNotMatch(ofMaple.stdout, /offline/);
  const shown = await cli.run([GROUP, 'show', ISSUER, '--tenant', 'lotus']);
  assert.match(shown.stdout, /audience +gatehouse/);
});

test('an entry is disabled, enabled and removed, in its own tenant only', async () => {
  const isDisabled = async () => {
    const shown = await cli.run([GROUP, 'show', ISSUER, ...OF_LOTUS]);
    return (shown.json() as { trustedIssuer: { isDisabled: boolean } }).trustedIssuer.isDisabled;
  };
  for (const [change, expected] of [
    ['disable', true],
    ['disable', true],
    ['enable', false],
  ] as const) {
    assert.equal((await cli.run([GROUP, change, ISSUER, ...OF_LOTUS])).code, 0);
    assert.equal(await isDisabled(), expected);
  }
  assert.equal((await cli.run([GROUP, 'remove', ISSUER, ...OF_LOTUS])).code, 0);
  for (const change of ['show', 'disable', 'enable', 'remove']) {
    const gone = await cli.run([GROUP, change, ISSUER, '--tenant', 'lotus']);
    assert.equal(gone.code, 1, change);
    assert.match(gone.stderr, /does not trust/);
  }
  const kept = await cli.run([GROUP, 'show', ISSUER, '--tenant', 'maple']);
  assert.equal(kept.code, 0, 'the entry of the other tenant');
});

test('a subject is linked to a user of the tenant, and to no other afterwards', async () => {
  const create = ['users', 'create', '--json', '--tenant'];
  const made = await cli.run([...create, 'lotus', '--username', 'binh'], {
    stdin: 'a good password',
  });
  const [{ id }] = (await cli.query('SELECT id FROM users')) as [{ id: string }];
  assert.ok(id, made.stderr);
  const link = [GROUP, 'link', ISSUER, '--subject', 's1', '--user'];
  const done = await cli.run([...link, id, ...OF_LOTUS]);
  assert.equal(done.code, 0, done.stderr);
  assert.equal(
    (await cli.run([...link, id, ...OF_LOTUS])).code,
    0,
    'once more is no contradiction',
  );
  const foreign = await cli.run([...link, id, '--tenant', 'maple']);
  assert.match(foreign.stderr, /There is no user/);
  const nobody = await cli.run([...link, 'nobody', '--tenant', 'lotus']);
  assert.match(nobody.stderr, /There is no user/);
  const second = [GROUP, 'link', ISSUER, '--subject', 's2', '--user', id, '--tenant', 'lotus'];
  const refused = await cli.run(second);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /linked elsewhere/);
});

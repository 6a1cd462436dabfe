import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { isUuid } from '../../src/kernel/ids.ts';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { startSite } from '../helpers/site.ts';
import {
  basic,
  bearer,
  createWorld,
  getJson,
  introspect,
  isDeadEverywhere,
  postForm,
  refresh,
  signInForTokens,
} from './support.ts';

const site = await startSite();
const world = await createWorld({
  settings: { OUTBOUND_ALLOWED_HOSTS: site.host },
  overrides: { outbound: { ca: site.ca } },
});
const { url, deps, people } = world;

const pairwise = (metadata: Record<string, unknown> = {}): Promise<TestClient> =>
  seedClient(deps, people.tenantId, { metadata: { subject_type: 'pairwise', ...metadata } });

const subOf = (token: string): string => String(decodeJwt(token).sub);

const sector = site.put('/sector.json', [
  'http://localhost:4999/callback',
  'https://one.example/cb',
  'https://two.example/cb',
]);

const [one, two, other] = await Promise.all([
  pairwise({ sector_identifier_uri: sector }),
  pairwise({ sector_identifier_uri: sector, client_name: 'Of the same sector' }),
  pairwise(),
]);

test('two clients of one sector know a person by one name, a client of another by another (OpenID Connect Core 8.1)', async () => {
  const tokens = [];
  for (const client of [one, two, other, world.client]) {
    tokens.push(await signInForTokens(world, { client }));
  }
  const [first, second, third, fourth] = tokens.map(({ idToken }) => subOf(idToken));
  assert.equal(first, second);
  assert.equal(new Set([first, third, fourth]).size, 3);
  assert.equal(fourth, people.user.id);
  assert.ok(!isUuid(first) && !isUuid(third), 'a pairwise subject is no account id');
});

test('ID token, access token, userinfo and introspection of a pairwise client name the same subject', async () => {
  const { accessToken, idToken, refreshToken } = await signInForTokens(world, { client: one });
  const sub = subOf(idToken);
  assert.equal(subOf(accessToken), sub);
  const userinfo = await getJson(`${url}/userinfo`, bearer(accessToken));
  assert.equal(userinfo.status, 200);
  assert.equal(userinfo.body.sub, sub);
  assert.equal(userinfo.body.email, people.user.email);
  const introspection = await introspect(url, one, accessToken);
  assert.equal(introspection.body.active, true);
  assert.equal(introspection.body.sub, sub);
  const foreign = await introspect(url, world.client, accessToken);
  assert.equal(foreign.body.sub, sub, 'a resource server sees the subject of the token');
  const { body } = await refresh(url, one, refreshToken);
  assert.equal(subOf(String(body.access_token)), sub);
  assert.equal(subOf(String(body.id_token)), sub);
});

test('the API knows the person behind a pairwise token, and what ends it ends it', async () => {
  const { accessToken } = await signInForTokens(world, { client: one });
  const me = await getJson(`${url}/api/v1/me`, bearer(accessToken));
  assert.equal(me.status, 200);
  assert.equal(me.body.id, people.user.id);
  await postForm(`${url}/revoke`, { token: accessToken }, basic(one));
  assert.ok(await isDeadEverywhere(url, one, accessToken));
});

test('a pairwise token of a grant that is gone opens nothing', async () => {
  const { accessToken } = await signInForTokens(world, { client: one });
  const grantId = String(decodeJwt(accessToken).jti).split('.')[0];
  await deps.engine.current().provider.Grant.adapter.destroy(String(grantId));
  assert.ok(await isDeadEverywhere(url, one, accessToken));
});

test('a sector is read when a client is registered, and not for each sign-in after', async () => {
  const before = site.requests.length;
  site.on('/sector.json', (_request, response) => response.writeHead(500).end());
  await signInForTokens(world, { client: two });
  assert.equal(site.requests.length, before);
});

test('a sector_identifier_uri that does not list the redirect URIs is refused (OpenID Connect Core 8.1)', async () => {
  const cases: Record<string, string> = {
    'lists others': site.put('/others.json', ['https://other.example/cb']),
    'is no list': site.put('/object.json', { redirect_uris: [] }),
    'is not there': `${site.url}/nowhere.json`,
    'leads elsewhere': site.on('/redirect.json', (_request, response) =>
      response.writeHead(302, { location: '/sector.json' }).end(),
    ),
  };
  for (const [name, uri] of Object.entries(cases)) {
    const attempt = pairwise({ sector_identifier_uri: uri });
    await assert.rejects(attempt, { code: 'IDENT_VALIDATION' }, name);
  }
});

test('CVE-2026-55671: a sector_identifier_uri that leads inside is not read, and the answer does not tell why', async () => {
  const { port } = new URL(url);
  for (const uri of [`https://localhost:${port}/`, 'https://169.254.169.254/latest/meta-data']) {
    const error = await pairwise({ sector_identifier_uri: uri }).then(
      () => assert.fail('it was registered'),
      (failure: { code: string; message: string }) => failure,
    );
    assert.equal(error.code, 'IDENT_VALIDATION');
    assert.equal(error.message, 'could not load sector_identifier_uri response');
  }
});

test('a client of redirect URIs on several hosts needs a sector (OpenID Connect Registration 5)', async () => {
  const attempt = pairwise({ redirect_uris: ['https://a.example/cb', 'https://b.example/cb'] });
  await assert.rejects(attempt, { code: 'IDENT_VALIDATION' });
});

test('both kinds of subject are advertised', async () => {
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  assert.deepEqual(body.subject_types_supported, ['public', 'pairwise']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createJobs } from '../../src/jobs.ts';
import { createFakeClock } from '../helpers/clock.ts';
import type { TestClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { startSite } from '../helpers/site.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { type Answer, bearer, createWorld, getJson, introspect, postForm } from './support.ts';

const REDIRECT = 'https://app.example/callback';
const DAY = 24 * 3_600_000;

const site = await startSite();
const world = await createWorld({
  settings: { OUTBOUND_ALLOWED_HOSTS: site.host, TRUSTED_PROXIES: '127.0.0.1' },
  overrides: { outbound: { ca: site.ca } },
});
const { url, deps, people } = world;

const newToken = async (options: { maxUses?: number; expiresIn?: number } = {}) =>
  deps.initialAccessTokens.create({ tenantId: people.tenantId, maxUses: 1_000, ...options });
const { token } = await newToken();

let addresses = 0;
/** Each request comes from an address of its own, so that the limit is met where it is meant to be. */
const elsewhere = () => ({ 'x-forwarded-for': `192.0.2.${(addresses++ % 250) + 1}` });

async function ask(
  method: string,
  target: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<Answer> {
  const response = await fetch(target, {
    method,
    headers: { accept: 'application/json', ...elsewhere(), ...headers },
    ...(body === undefined
      ? {}
      : {
          headers: {
            accept: 'application/json',
            'content-type': 'application/json',
            ...elsewhere(),
            ...headers,
          },
          body: typeof body === 'string' ? body : JSON.stringify(body),
        }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: text === '' ? {} : JSON.parse(text),
  };
}

const register = (
  metadata: unknown,
  { by = token, at = url }: { by?: string | null; at?: string } = {},
): Promise<Answer> => ask('POST', `${at}/register`, metadata, by === null ? {} : bearer(by));

const app = (more: Record<string, unknown> = {}) => ({
  client_name: 'Somebody’s app',
  redirect_uris: [REDIRECT],
  ...more,
});

/** A registered client with what manages it. */
async function registered(more: Record<string, unknown> = {}) {
  const { status, body } = await register(app(more));
  assert.equal(status, 201, JSON.stringify(body));
  return {
    body,
    clientId: String(body.client_id),
    uri: String(body.registration_client_uri),
    key: String(body.registration_access_token),
  };
}

async function signInWith(client: TestClient, at = world) {
  const { user } = at.people;
  const configuration = await discover(at.url, client);
  const request = await authorizationRequest(configuration, client.redirectUri);
  const agent = createUserAgent(at.url);
  const page = await agent.follow(request.url);
  const consent = await agent.submit(page, '/sign-in', {
    identifier: user.email,
    password: user.password,
  });
  assert.match(consent.url.pathname, /^\/interaction\//, 'the consent page is shown');
  const end = await agent.submit(consent, '/consent', { decision: 'allow' });
  return exchange(configuration, request, end.url);
}

const toClient = ({ body }: { body: Record<string, unknown> }): TestClient => ({
  clientId: String(body.client_id),
  clientSecret: String(body.client_secret),
  redirectUri: REDIRECT,
});

test('a client registers itself and signs a person in, with consent (RFC 7591 3)', async () => {
  const { status, headers, body } = await register(app());
  assert.equal(status, 201);
  assert.match(headers.get('cache-control') ?? '', /no-store/);
  assert.equal(body.client_secret_expires_at, 0);
  assert.ok(String(body.client_secret).length >= 32);
  assert.ok(Number.isInteger(body.client_id_issued_at));
  const tokens = await signInWith(toClient({ body }));
  assert.equal(tokens.claims()?.sub, people.user.id);
  const stored = await deps.clients.get({
    tenantId: people.tenantId,
    clientId: String(body.client_id),
  });
  assert.equal(stored.isFirstParty, false);
  assert.ok(stored.selfRegisteredAt && stored.firstTokenAt);
});

test('secrets and tokens of registration are not in the database in the clear', async () => {
  const { body, clientId, key } = await registered();
  const { knex } = deps.postgres;
  const rows = [
    ...(await knex('clients').where({ client_id: clientId })),
    ...(await knex('oidc_registration_tokens')),
    ...(await knex('initial_access_tokens')),
  ];
  const text = JSON.stringify(rows, (_key, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString('latin1') : value,
  );
  for (const secret of [String(body.client_secret), key, token]) assert.ok(!text.includes(secret));
});

test('without a live initial access token nothing is registered: invalid_token (RFC 7591 3.1)', async () => {
  const spent = await newToken({ maxUses: 1 });
  assert.equal((await register(app(), { by: spent.token })).status, 201);
  const ended = await newToken();
  await deps.initialAccessTokens.revoke(people.tenantId, ended.details.id);
  const cases = [spent.token, ended.token, 'ghi_unknown', `${token}x`, token.slice(0, -1), 'x'];
  for (const by of cases) {
    const { status, headers, body } = await register(app(), { by });
    assert.equal(status, 401, by);
    assert.equal(body.error, 'invalid_token');
    assert.match(headers.get('www-authenticate') ?? '', /^Bearer .*error="invalid_token"/);
  }
  assert.equal((await register(app(), { by: null })).status, 401);
});

test('a failed registration costs no use, and of many at once no more succeed than are left', async () => {
  const few = await newToken({ maxUses: 5 });
  assert.equal((await register({ redirect_uris: ['x'] }, { by: few.token })).status, 400);
  const answers = await Promise.all(
    Array.from({ length: 40 }, () => register(app(), { by: few.token })),
  );
  const statuses = answers.map(({ status }) => status);
  assert.equal(statuses.filter((status) => status === 201).length, 5);
  assert.equal(statuses.filter((status) => status === 401).length, 35);
  const { knex } = deps.postgres;
  const made = await knex('clients').where({ initial_access_token_id: few.details.id });
  assert.equal(made.length, 5);
});

test('ASVS 10.4.7: what only an operator may give a client is refused: invalid_client_metadata', async () => {
  const cases: Record<string, unknown>[] = [
    { grant_types: ['client_credentials'], response_types: [] },
    { grant_types: ['authorization_code', 'urn:openid:params:grant-type:ciba'] },
    { grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'], response_types: [] },
    { grant_types: ['implicit'], response_types: ['id_token'] },
    { response_types: ['code token'] },
    { scope: 'openid tenant:users:read' },
    { scope: 'openid no-such-scope' },
    { require_pkce: false },
    { may_impersonate: true },
    { refresh_token_reuse_grace: 30 },
    { access_token_ttl: 24 * 3_600 },
    { client_name: 'x'.repeat(20_000) },
    { jwks_uri: 'https://169.254.169.254/', jwks: { keys: [] } },
    { token_endpoint_auth_method: 'none', id_token_signed_response_alg: 'HS256' },
    { token_endpoint_auth_method: 'none', userinfo_signed_response_alg: 'HS256' },
    { logo_uri: 'javascript:alert(1)' },
    { subject_type: 'pairwise', sector_identifier_uri: 'https://127.0.0.1/sector' },
  ];
  for (const metadata of cases) {
    const { status, body } = await register(app(metadata));
    assert.equal(status, 400, JSON.stringify(metadata));
    assert.equal(body.error, 'invalid_client_metadata', JSON.stringify(metadata));
    assert.doesNotMatch(JSON.stringify(body), /127\.0|169\.254|refused|ECONN/i);
  }
});

test('scopes of resource servers can be registered for where the tenant has them', async () => {
  await deps.resourceServers.create({
    tenantId: people.tenantId,
    audience: 'https://notes.example/',
    name: 'Notes',
    scopes: [{ name: 'notes:read', description: 'Read notes' }],
  });
  const { body } = await registered({ scope: 'openid notes:read' });
  assert.equal(body.scope, 'openid notes:read');
  const other = await register(app({ scope: 'openid notes:write' }));
  assert.equal(other.body.error, 'invalid_client_metadata');
});

test('redirect URIs are https, or loopback: invalid_redirect_uri (RFC 7591 3.2.2, RFC 9700 2.6)', async () => {
  const cases = ['http://app.example/cb', 'http://127.0.0.1.evil.example/cb', 'x', ''];
  cases.push('https://user:password@app.example/cb', `https://app.example/${'x'.repeat(3_000)}`);
  for (const uri of cases) {
    const { status, body } = await register({ redirect_uris: [uri] });
    assert.equal(status, 400, uri);
    assert.equal(body.error, 'invalid_redirect_uri', uri);
  }
  const many = Array.from({ length: 21 }, (_, index) => `https://app.example/${index}`);
  assert.equal((await register({ redirect_uris: many })).body.error, 'invalid_redirect_uri');
  assert.equal((await register({ redirect_uris: ['http://localhost:8080/cb'] })).status, 201);
  const native = { redirect_uris: ['com.example.app:/cb'], application_type: 'native' };
  assert.equal((await register({ ...native, token_endpoint_auth_method: 'none' })).status, 201);
});

test('CVE-2024-52289: a client without redirect URIs cannot register for the code flow', async () => {
  for (const metadata of [{}, { redirect_uris: [] }, { redirect_uris: null }]) {
    const { status, body } = await register(metadata);
    assert.equal(status, 400);
    assert.match(String(body.error), /^invalid_/);
  }
});

test('what is no JSON object is refused, and members that are not strings do no harm', async () => {
  for (const body of ['', '[]', '"x"', 'null', '{', '{"redirect_uris":{}}', '{"scope":1}']) {
    const answer = await register(body);
    assert.equal(answer.status, 400, body);
    assert.match(String(answer.body.error), /^invalid_/);
  }
  const odd = { grant_types: [{}], redirect_uris: [1], scope: ['x'], contacts: 'x' };
  assert.equal((await register(odd)).status, 400);
});

test('a client cannot choose its own id, tenant, trust or times', async () => {
  const { body, clientId } = await registered({
    client_id: world.client.clientId,
    tenant_id: 'other',
    is_first_party: true,
    client_secret: 'chosen by the client, and long enough for one',
    client_id_issued_at: 1,
    client_secret_expires_at: 1,
  });
  assert.notEqual(clientId, world.client.clientId);
  assert.notEqual(body.client_secret, 'chosen by the client, and long enough for one');
  assert.notEqual(body.client_id_issued_at, 1);
  const stored = await deps.clients.find(clientId);
  assert.equal(stored?.tenantId, people.tenantId);
  assert.equal(stored?.isFirstParty, false);
});

test('a client reads its registration, secret included (RFC 7592 2.1, 3)', async () => {
  const { body, uri, key } = await registered();
  assert.equal(uri, `${url}/register/${body.client_id}`);
  const read = await getJson(uri, bearer(key));
  assert.equal(read.status, 200);
  assert.deepEqual(read.body, body);
});

test('a client changes its registration; the token that did it is replaced (RFC 7592 2.2)', async () => {
  const { body, uri, key, clientId } = await registered();
  const change = app({
    client_id: clientId,
    client_secret: body.client_secret,
    client_name: 'Another name',
    redirect_uris: [REDIRECT, 'https://app.example/second'],
  });
  const changed = await ask('PUT', uri, change, bearer(key));
  assert.equal(changed.status, 200, JSON.stringify(changed.body));
  assert.equal(changed.body.client_name, 'Another name');
  assert.equal(changed.body.client_secret, body.client_secret);
  const next = String(changed.body.registration_access_token);
  assert.notEqual(next, key);
  assert.equal((await getJson(uri, bearer(key))).status, 401);
  const read = await getJson(uri, bearer(next));
  assert.equal(read.status, 200);
  assert.deepEqual(read.body.redirect_uris, change.redirect_uris);
  const tokens = await signInWith(toClient({ body }));
  assert.ok(tokens.access_token);
});

test('a change is held to the same rules as a registration', async () => {
  const { uri, key, clientId } = await registered();
  const cases: [Record<string, unknown>, string][] = [
    [{ scope: 'tenant:users:write' }, 'invalid_client_metadata'],
    [{ redirect_uris: ['http://app.example/'] }, 'invalid_redirect_uri'],
    [{ may_impersonate: true }, 'invalid_client_metadata'],
    [{ client_id: world.client.clientId }, 'invalid_request'],
    [{ client_secret: 'not its own' }, 'invalid_request'],
    [{ registration_access_token: key }, 'invalid_request'],
    [{ client_id_issued_at: 1 }, 'invalid_request'],
  ];
  for (const [metadata, error] of cases) {
    const { status, body } = await ask(
      'PUT',
      uri,
      app({ client_id: clientId, ...metadata }),
      bearer(key),
    );
    assert.equal(status, 400, JSON.stringify(metadata));
    assert.equal(body.error, error, JSON.stringify(metadata));
  }
});

test('a client that becomes public loses its secret, and one that becomes confidential gets one', async () => {
  const { uri, key, clientId } = await registered();
  const public_ = app({ client_id: clientId, token_endpoint_auth_method: 'none' });
  const first = await ask('PUT', uri, public_, bearer(key));
  assert.equal(first.status, 200);
  const stored = await deps.clients.find(clientId);
  assert.deepEqual(stored?.secretHashes, []);
  const back = app({ client_id: clientId, token_endpoint_auth_method: 'client_secret_post' });
  const second = await ask('PUT', uri, back, bearer(String(first.body.registration_access_token)));
  assert.equal(second.status, 200);
  assert.ok(String(second.body.client_secret).length >= 32);
});

test('a client that an operator trusts, and that changes itself, is trusted no more', async () => {
  const { uri, key, clientId } = await registered();
  await deps.clients.update({ tenantId: people.tenantId, clientId, isFirstParty: true });
  assert.equal((await ask('PUT', uri, app({ client_id: clientId }), bearer(key))).status, 200);
  assert.equal((await deps.clients.find(clientId))?.isFirstParty, false);
});

test('a client deletes itself with all that it was given (RFC 7592 2.3)', async () => {
  const { body, uri, key, clientId } = await registered();
  const tokens = await signInWith(toClient({ body }));
  const deleted = await ask('DELETE', uri, undefined, bearer(key));
  assert.equal(deleted.status, 204);
  assert.equal(await deps.clients.find(clientId), undefined);
  assert.equal((await getJson(uri, bearer(key))).status, 401);
  assert.equal((await getJson(`${url}/userinfo`, bearer(tokens.access_token))).status, 401);
  const { knex } = deps.postgres;
  for (const table of ['oidc_grants', 'oidc_refresh_tokens', 'oidc_registration_tokens']) {
    assert.deepEqual(await knex(table).where({ client_id: clientId }), [], table);
  }
});

test('no token of another client, kind or person manages a registration', async () => {
  const mine = await registered();
  const other = await registered();
  assert.equal((await getJson(mine.uri, bearer(other.key))).status, 401);
  assert.equal(
    (await getJson(`${url}/register/${world.client.clientId}`, bearer(mine.key))).status,
    401,
  );
  const { access_token: accessToken } = await signInWith(toClient(await registered()));
  for (const wrong of [token, accessToken, 'x']) {
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const { status, body } = await ask(
        method,
        mine.uri,
        method === 'PUT' ? app({ client_id: mine.clientId }) : undefined,
        bearer(wrong),
      );
      assert.equal(status, 401, method);
      assert.equal(body.error, 'invalid_token');
    }
  }
});

test('a rotated secret is told to the client, whoever rotated it', async () => {
  const { uri, key, clientId } = await registered();
  const { clientSecret } = await deps.clients.rotateSecret({ tenantId: people.tenantId, clientId });
  const read = await getJson(uri, bearer(key));
  assert.equal(read.body.client_secret, clientSecret);
});

test('a disabled client cannot manage itself and a tenant reaches only its own tokens', async () => {
  const { uri, key, clientId } = await registered();
  await deps.clients.disable({ tenantId: people.tenantId, clientId });
  assert.equal((await getJson(uri, bearer(key))).status, 401);
  const other = await deps.tenants.create({ slug: 'other', name: 'Other' });
  const { details } = await newToken();
  const attempt = deps.initialAccessTokens.revoke(other.id, details.id);
  await assert.rejects(attempt, { code: 'IDENT_NOT_FOUND' });
  assert.deepEqual(await deps.initialAccessTokens.list(other.id), []);
});

test('one address registers so many clients in an hour, and is told when to come again', async () => {
  const from = { 'x-forwarded-for': '2001:db8:1:2::1' };
  let last: Answer | undefined;
  for (let count = 0; count < 21; count += 1) {
    last = await ask('POST', `${url}/register`, app(), { ...bearer(token), ...from });
  }
  assert.equal(last?.status, 429);
  assert.equal(last?.body.error, 'temporarily_unavailable');
  assert.ok(Number(last?.headers.get('retry-after')) > 0);
  const neighbour = { 'x-forwarded-for': '2001:db8:1:2:ffff::9' };
  const again = await ask('POST', `${url}/register`, app(), { ...bearer(token), ...neighbour });
  assert.equal(again.status, 429);
});

test('a client that is never given a token is purged; one that was, stays', async () => {
  const clock = createFakeClock();
  const later = await createWorld({
    settings: { DYNAMIC_REGISTRATION_UNUSED_DAYS: '7' },
    overrides: { clock },
  });
  const { token: by } = await later.deps.initialAccessTokens.create({
    tenantId: later.people.tenantId,
    maxUses: 10,
  });
  const [used, unused] = await Promise.all([
    register(app(), { by, at: later.url }),
    register(app(), { by, at: later.url }),
  ]);
  await signInWith(toClient(used), later);
  clock.advance(7 * DAY + 1_000);
  const purge = createJobs(later.deps).find(({ name }) => name === 'unused-registrations');
  assert.equal(await purge?.run(), 1);
  assert.ok(await later.deps.clients.find(String(used.body.client_id)));
  assert.equal(await later.deps.clients.find(String(unused.body.client_id)), undefined);
  assert.ok(await later.deps.clients.find(later.client.clientId), 'an operator’s client stays');
});

test('open registration needs no token, is bounded, and gives clients to the tenant of its setting', async () => {
  const open = await createWorld({
    settings: {
      DYNAMIC_REGISTRATION: 'open',
      DYNAMIC_REGISTRATION_TENANT: 'lotus',
      DYNAMIC_REGISTRATION_MAX_UNUSED: '3',
    },
  });
  const at = open.url;
  const first = await register(app(), { by: null, at });
  assert.equal(first.status, 201);
  const stored = await open.deps.clients.find(String(first.body.client_id));
  assert.equal(stored?.tenantId, open.people.tenantId);
  assert.equal((await register(app(), { by: 'ghi_wrong', at })).body.error, 'invalid_token');
  await register(app(), { by: null, at });
  await register(app(), { by: null, at });
  const full = await register(app(), { by: null, at });
  assert.equal(full.status, 429);
  assert.equal(full.body.error, 'temporarily_unavailable');
  await signInWith(toClient(first), open);
  assert.equal((await register(app(), { by: null, at })).status, 201);
});

test('when it is off, registration is neither served nor advertised', async () => {
  const off = await createWorld({ settings: { DYNAMIC_REGISTRATION: 'off' } });
  const { body } = await getJson(`${off.url}/.well-known/openid-configuration`);
  assert.equal(body.registration_endpoint, undefined);
  assert.equal((await register(app(), { by: token, at: off.url })).status, 404);
  const on = await getJson(`${url}/.well-known/openid-configuration`);
  assert.equal(on.body.registration_endpoint, `${url}/register`);
});

test('registration by a form, or with tokens in the query, is refused', async () => {
  const form = await postForm(`${url}/register`, { redirect_uris: REDIRECT }, bearer(token));
  assert.equal(form.body.error, 'invalid_request');
  const inQuery = await ask('POST', `${url}/register?access_token=${token}`, app(), {});
  assert.ok([400, 401].includes(inQuery.status));
});

test('tokens of a client that registered itself are introspected like all others', async () => {
  const client = toClient(await registered());
  const { access_token: accessToken } = await signInWith(client);
  const { body } = await introspect(url, client, accessToken);
  assert.equal(body.active, true);
  assert.equal(body.scope, 'openid profile email');
});

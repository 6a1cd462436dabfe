import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose';
import type { AppError } from '../../src/kernel/errors.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import {
  basic,
  bearer,
  createWorld,
  getJson,
  introspect,
  obtainCode,
  postForm,
  refresh,
  startTwin,
} from './support.ts';

const clock = createFakeClock();
const world = await createWorld({ overrides: { clock } });
const twin = await startTwin(world, { clock });
const { url, deps, people } = world;
const { resourceServers } = deps;
const { tenantId } = people;
const platform = await deps.tenants.ensurePlatform();
const other = await deps.tenants.create({ slug: 'other', name: 'Other' });

/** Longer than the second that copies of rows may be used. */
const A_MOMENT = 1_001;

const ORDERS = 'https://orders.example/api';
const SHARED = 'urn:gatehouse:shared';
await resourceServers.create({
  tenantId,
  audience: ORDERS,
  name: 'Orders',
  scopes: [
    { name: 'orders:read', description: { en: 'See your orders', vi: 'Xem đơn hàng' } },
    { name: 'orders:write', description: 'Place orders' },
    { name: 'orders:admin' },
  ],
});
await resourceServers.create({
  tenantId: platform.id,
  audience: SHARED,
  name: 'Shared',
  scopes: [{ name: 'shared:use' }],
});

const SCOPE = 'openid profile email offline_access orders:read orders:write shared:use';
const create = (metadata: Record<string, unknown> = {}, isFirstParty = true) =>
  seedClient(deps, tenantId, { isFirstParty, metadata: { scope: SCOPE, ...metadata } });
const client = await create();

const ask = (
  more: Record<string, string>,
  { as = client, at = url }: { as?: TestClient; at?: string } = {},
) => postForm(`${at}/token`, { grant_type: 'client_credentials', ...more }, basic(as));

const jwks = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));
const verify = async (token: unknown, audience: string) =>
  (await jwtVerify(String(token), jwks, { audience, issuer: url, typ: 'at+jwt' })).payload;

test('a token for a resource server carries its audience and the scopes that the client is registered for (RFC 8707 2)', async () => {
  const { status, body } = await ask({
    resource: ORDERS,
    scope: 'orders:read orders:admin tenant:users:read nonsense shared:use',
  });
  assert.equal(status, 400);
  assert.equal(body.error, 'invalid_scope', 'the platform scope is not registered');

  const granted = await ask({ resource: ORDERS, scope: 'orders:read orders:admin shared:use' });
  assert.equal(granted.status, 200);
  assert.equal(granted.body.scope, 'orders:read');
  const claims = await verify(granted.body.access_token, ORDERS);
  assert.equal(claims.scope, 'orders:read');
  assert.equal(claims.tid, tenantId);
});

test('a client whose registration names no scope gets none of an operator', async () => {
  const plain = await seedClient(deps, tenantId);
  const { status, body } = await ask({ resource: ORDERS, scope: 'orders:read' }, { as: plain });
  assert.equal(status, 200);
  assert.equal(body.scope, undefined);
  assert.equal((await verify(body.access_token, ORDERS)).scope, undefined);
});

test('an audience that is unknown, disabled, of another tenant or malformed is an invalid target, all alike', async () => {
  const stranger = await seedClient(deps, other.id);
  const closed = 'https://closed.example';
  await resourceServers.create({ tenantId, audience: closed, name: 'Closed' });
  await resourceServers.update({ tenantId, audience: closed, isDisabled: true });
  const answers = await Promise.all([
    ask({ resource: 'https://unknown.example' }),
    ask({ resource: closed }),
    ask({ resource: ORDERS }, { as: stranger }),
    ask({ resource: `${ORDERS}/` }),
    ask({ resource: ORDERS.toUpperCase() }),
    ask({ resource: `https://x.example/${'x'.repeat(600)}` }),
  ]);
  for (const { status, body } of answers) {
    assert.equal(status, 400);
    assert.equal(body.error, 'invalid_target');
    assert.equal(body.error_description, answers[0]?.body.error_description);
  }
  for (const resource of ['not a uri', `${ORDERS}#fragment`, '\u0000']) {
    assert.equal((await ask({ resource })).body.error, 'invalid_target', resource);
  }
});

test('a resource server of the platform is there for clients of every tenant', async () => {
  const stranger = await seedClient(deps, other.id, { metadata: { scope: 'shared:use' } });
  for (const as of [client, stranger]) {
    const { body } = await ask({ resource: SHARED, scope: 'shared:use' }, { as });
    assert.equal((await verify(body.access_token, SHARED)).scope, 'shared:use');
  }
});

test('its token opens neither userinfo nor the platform API: it is for one audience (RFC 9700 2.3)', async () => {
  const { form } = await obtainCode(world, {
    client,
    parameters: { resource: ORDERS, scope: 'openid email orders:read' },
  });
  const { body } = await postForm(`${url}/token`, form, basic(client));
  assert.equal((await verify(body.access_token, ORDERS)).scope, 'orders:read');
  assert.ok(body.id_token, 'the sign-in is told all the same');
  const userinfo = await getJson(`${url}/userinfo`, bearer(String(body.access_token)));
  assert.equal(userinfo.status, 403);
  assert.equal(userinfo.body.error, 'insufficient_scope');
  const me = await getJson(`${url}/api/v1/me`, bearer(String(body.access_token)));
  assert.equal(me.status, 401);
  assert.equal(me.body.code, 'IDENT_UNAUTHENTICATED');
  assert.equal((await introspect(url, client, String(body.access_token))).body.active, true);
});

test('a code for two resources gives a token for one at a time, and refreshing can change between them (RFC 8707 2.2)', async () => {
  const agent = createUserAgent(url);
  const parameters = { scope: 'openid orders:read shared:use' };
  const configuration = await discover(url, client);
  const request = await authorizationRequest(configuration, client.redirectUri, parameters);
  for (const resource of [ORDERS, SHARED]) request.url.searchParams.append('resource', resource);
  const page = await agent.follow(request.url);
  const end = await agent.submit(page, '/sign-in', {
    identifier: people.user.email,
    password: people.user.password,
  });
  const form = {
    grant_type: 'authorization_code',
    code: end.url.searchParams.get('code') ?? '',
    redirect_uri: client.redirectUri,
    code_verifier: request.verifier,
    resource: ORDERS,
  };
  const first = await postForm(`${url}/token`, form, basic(client));
  assert.equal((await verify(first.body.access_token, ORDERS)).scope, 'orders:read');
  const second = await refresh(url, client, String(first.body.refresh_token), {
    resource: SHARED,
  });
  assert.equal((await verify(second.body.access_token, SHARED)).scope, 'shared:use');
  const third = await refresh(url, client, String(second.body.refresh_token), {
    resource: `${url}/api`,
  });
  assert.equal(third.body.error, 'invalid_target', 'it was not asked for at the start');
});

test('lifetime, algorithm and format are those of the resource server, unless the client has its own', async () => {
  const audience = 'https://strict.example';
  await resourceServers.create({
    tenantId,
    audience,
    name: 'Strict',
    accessTokenTtl: 60,
    signingAlg: 'ES256',
  });
  const { body } = await ask({ resource: audience });
  assert.equal(body.expires_in, 60);
  assert.equal(decodeProtectedHeader(String(body.access_token)).alg, 'ES256');

  const own = await create({ access_token_ttl: 45, access_token_signed_response_alg: 'EdDSA' });
  const mine = await ask({ resource: audience }, { as: own });
  assert.equal(mine.body.expires_in, 45);
  assert.equal(decodeProtectedHeader(String(mine.body.access_token)).alg, 'EdDSA');

  await resourceServers.update({ tenantId, audience, format: 'opaque', accessTokenTtl: null });
  clock.advance(A_MOMENT);
  const opaque = await ask({ resource: audience }, { at: twin.url });
  assert.match(String(opaque.body.access_token), /^ghc_/);
  assert.equal(opaque.body.expires_in, deps.config.SERVICE_TOKEN_TTL);
  const told = await introspect(url, client, String(opaque.body.access_token));
  assert.equal(told.body.active, true);
  assert.equal(told.body.aud, audience);
});

test('a change is felt in every process within a second; refreshing narrows to what is left', async () => {
  const audience = 'https://changing.example';
  await resourceServers.create({
    tenantId,
    audience,
    name: 'Changing',
    scopes: [{ name: 'a' }, { name: 'b' }],
  });
  const holder = await create({ scope: 'openid a b' });
  const { form } = await obtainCode(world, {
    client: holder,
    parameters: { resource: audience, scope: 'openid a b' },
  });
  const first = await postForm(`${url}/token`, form, basic(holder));
  assert.equal(first.body.scope, 'a b');
  await resourceServers.update({ tenantId, audience, scopes: [{ name: 'a' }] });
  clock.advance(A_MOMENT);
  const second = await refresh(twin.url, holder, String(first.body.refresh_token));
  assert.equal(second.body.scope, 'a');
  await resourceServers.delete({ tenantId, audience });
  clock.advance(A_MOMENT);
  const third = await refresh(twin.url, holder, String(second.body.refresh_token));
  assert.equal(third.body.error, 'invalid_target');
});

test('the consent page says what each scope allows, in the language of the page', async () => {
  const third = await create({}, false);
  const configuration = await discover(url, third);
  const parameters = { resource: ORDERS, scope: 'openid orders:read orders:write' };
  for (const [lang, words] of [
    ['en', 'See your orders'],
    ['vi', 'Xem đơn hàng'],
  ] as const) {
    const request = await authorizationRequest(configuration, third.redirectUri, {
      ...parameters,
      ui_locales: lang,
    });
    const agent = createUserAgent(url);
    const page = await agent.follow(request.url);
    const consent = await agent.submit(page, '/sign-in', {
      identifier: people.user.email,
      password: people.user.password,
    });
    assert.ok(consent.html.includes(words), lang);
    assert.ok(consent.html.includes('Place orders'), 'one text serves every language');
    assert.ok(consent.html.includes('Orders'));
    assert.ok(!consent.html.includes('orders:admin'));
  }
});

test('a client is registered only for scopes that there are', async () => {
  const refused = (error: AppError) => {
    assert.equal(error.options.errors?.[0]?.path, 'metadata.scope');
    return true;
  };
  for (const scope of ['openid nonsense', 'openid  orders:read', 'orders:"read"']) {
    await assert.rejects(create({ scope }), refused, scope);
  }
  const foreign = seedClient(deps, other.id, { metadata: { scope: 'orders:read' } });
  await assert.rejects(foreign, refused, 'the resource server is of another tenant');
});

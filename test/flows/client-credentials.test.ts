import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { seedClient } from '../helpers/gatehouse.ts';
import { basic, bearer, createWorld, getJson, introspect, postForm } from './support.ts';

const world = await createWorld();
const { url, client, people, deps } = world;

const obtain = (form: Record<string, string> = {}, who = client) =>
  postForm(`${url}/token`, { grant_type: 'client_credentials', ...form }, basic(who));

test('a service token has the frozen claims: tid of the client, no session, no person', async () => {
  const { status, body } = await obtain();
  assert.equal(status, 200);
  const token = String(body.access_token);
  const claims = decodeJwt(token);
  assert.deepEqual(Object.keys(decodeProtectedHeader(token)).sort(), ['alg', 'kid', 'typ']);
  assert.deepEqual(Object.keys(claims).sort(), [
    ...['amr', 'aud', 'client_id', 'exp', 'iat', 'iss', 'jti', 'sub', 'tid', 'tids'],
  ]);
  assert.equal(claims.sub, client.clientId);
  assert.equal(claims.tid, people.tenantId);
  assert.deepEqual(claims.tids, [people.tenantId]);
  assert.equal((claims.exp ?? 0) - (claims.iat ?? 0), 3_600);
  assert.equal(body.refresh_token, undefined);
  assert.equal(body.id_token, undefined);
});

test('no client can have the id of a user, so no service token has their subject (RFC 9700 4.15)', async () => {
  const impostor = deps.clients.create({
    tenantId: people.tenantId,
    clientId: people.user.id,
    metadata: { grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
  });
  await assert.rejects(impostor, { code: 'IDENT_VALIDATION' });
});

test('a service token opens neither userinfo nor what is for people, whatever its scope', async () => {
  for (const scope of ['', 'openid', 'openid profile email']) {
    const answer = await obtain(scope === '' ? {} : { scope });
    const token = String(answer.body.access_token);
    const userinfo = await getJson(`${url}/userinfo`, bearer(token));
    assert.ok(userinfo.status === 401 || userinfo.status === 403, `${scope}: ${userinfo.status}`);
    assert.equal(userinfo.body.sub, undefined);
    const me = await getJson(`${url}/api/v1/me`, bearer(token));
    assert.equal(me.status, 403);
    assert.equal(me.body.code, 'IDENT_FORBIDDEN');
  }
});

const obtainScope = async (scope: string, who = client) => {
  const { status, body } = await obtain({ scope }, who);
  const granted = new Set(status === 200 ? String(body.scope ?? '').split(' ') : []);
  return { status, granted };
};

test('a platform scope is for clients whose registration names it (CVE-2024-52287)', async () => {
  const reader = await seedClient(deps, people.tenantId, {
    metadata: { scope: 'openid tenant:users:read' },
  });
  assert.ok((await obtainScope('tenant:users:read', reader)).granted.has('tenant:users:read'));
  for (const scope of ['tenant:users:write', 'tenant:users:read tenant:users:write']) {
    const { status, granted } = await obtainScope(scope, reader);
    assert.equal(status, 400);
    assert.ok(!granted.has('tenant:users:write'));
  }
});

test('a client that registered no scope gets none of the platform', async () => {
  for (const scope of ['tenant:users:read', 'tenant:clients:write', 'admin']) {
    const { granted } = await obtainScope(scope);
    assert.ok(!granted.has(scope), scope);
  }
});

test('only the platform resource is a target (RFC 8707 2)', async () => {
  assert.equal((await obtain({ resource: `${url}/api` })).status, 200);
  const { body } = await obtain({ resource: 'https://elsewhere.example' });
  assert.equal(body.error, 'invalid_target');
});

test('introspection and revocation cover service tokens', async () => {
  const token = String((await obtain()).body.access_token);
  const { body } = await introspect(url, client, token);
  assert.equal(body.active, true);
  assert.equal(body.client_id, client.clientId);
  await postForm(`${url}/revoke`, { token }, basic(client));
  assert.equal((await introspect(url, client, token)).body.active, false);
});

test('a client that was not given the grant type does not get a token by it', async () => {
  const plain = await seedClient(deps, people.tenantId, {
    metadata: { grant_types: ['authorization_code'] },
  });
  const { status, body } = await obtain({}, plain);
  assert.equal(status, 400);
  assert.equal(body.access_token, undefined);
});

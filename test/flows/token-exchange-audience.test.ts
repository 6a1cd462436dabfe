import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { seedClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { bearer, createWorld, getJson, introspect, signInForTokens } from './support.ts';
import { actor, exchangeToken, GRANT, ownToken, seedExchanger } from './token-exchange-support.ts';

const world = await createWorld();
const { url, people, deps } = world;
const lotus = people.tenantId;
const maple = (await deps.tenants.create({ slug: 'maple', name: 'Maple Clinic' })).id;
const NOTES = 'https://notes.lotus.example';
const OPAQUE = 'https://opaque.lotus.example';
const FOREIGN = 'https://notes.maple.example';
const scopes = [{ name: 'notes:read' }, { name: 'notes:write' }];
await deps.resourceServers.create({ tenantId: lotus, audience: NOTES, name: 'Notes', scopes });
await deps.resourceServers.create({
  tenantId: lotus,
  audience: OPAQUE,
  name: 'Opaque',
  format: 'opaque',
});
await deps.resourceServers.create({ tenantId: maple, audience: FOREIGN, name: 'Foreign' });

const SCOPE = 'openid notes:read notes:write';
const metadata = {
  scope: SCOPE,
  grant_types: ['authorization_code', 'client_credentials', GRANT],
};
const portal = await seedClient(deps, lotus, { metadata });
const service = await seedExchanger(world, lotus, { metadata: { scope: SCOPE } });
const { accessToken: apiToken } = await signInForTokens(world, {
  client: portal,
  parameters: { scope: 'openid' },
});
const { accessToken: notesToken } = await signInForTokens(world, {
  client: portal,
  parameters: { scope: 'openid notes:read', resource: NOTES },
});
const asService = async () => actor(await ownToken(url, service));

test('a token goes on to another audience, with scopes that it had and no others (RFC 8693 2.1)', async () => {
  assert.equal(decodeJwt(notesToken).aud, NOTES);
  const { status, body } = await exchangeToken(url, service, apiToken, {
    ...(await asService()),
    audience: NOTES,
  });
  assert.equal(status, 200, JSON.stringify(body));
  const claims = decodeJwt(String(body.access_token));
  assert.equal(claims.aud, NOTES);
  assert.equal(claims.scope, undefined, 'openid is no scope of that resource server');
  const me = await getJson(`${url}/api/v1/me`, bearer(String(body.access_token)));
  assert.equal(me.status, 401, 'it left the API behind (RFC 9700 2.3)');
  const more = { ...(await asService()), audience: NOTES, scope: 'notes:write' };
  assert.equal((await exchangeToken(url, service, apiToken, more)).body.error, 'invalid_scope');
});

test('a service behind a resource server of its tenant presents what that was sent', async () => {
  const { status, body } = await exchangeToken(url, service, notesToken, await asService());
  assert.equal(status, 200, JSON.stringify(body));
  const claims = decodeJwt(String(body.access_token));
  assert.equal(claims.aud, NOTES);
  assert.equal(claims.scope, 'notes:read');
  assert.deepEqual(claims.act, { sub: service.clientId });
  assert.equal((await introspect(url, service, String(body.access_token))).body.active, true);
});

test('one of the platform is not behind the resource server of a tenant', async () => {
  const platform = (await deps.tenants.ensurePlatform()).id;
  const elsewhere = await seedExchanger(world, platform, { metadata: { may_impersonate: true } });
  const { body } = await exchangeToken(url, elsewhere, notesToken);
  assert.equal(body.error, 'invalid_request');
});

test("a tenant's resource server is unknown to others, and an opaque one cannot be the target (RFC 8693 2.2.2)", async () => {
  for (const audience of [FOREIGN, OPAQUE]) {
    const more = { ...(await asService()), audience };
    const { status, body } = await exchangeToken(url, service, apiToken, more);
    assert.deepEqual([status, body.error], [400, 'invalid_target'], audience);
  }
});

test('a client that is not first-party stays with the audience of the token', async () => {
  const third = await seedClient(deps, lotus, { isFirstParty: false, metadata });
  const grant = await seedThirdPartyToken(third);
  const more = { audience: NOTES };
  assert.equal((await exchangeToken(url, third, grant, more)).body.error, 'invalid_target');
  const same = await exchangeToken(url, third, grant, { audience: `${url}/api` });
  assert.equal(same.status, 200, JSON.stringify(same.body));
});

/** A token of a person who has consented; the pages of consent are shown elsewhere. */
async function seedThirdPartyToken(third: typeof portal): Promise<string> {
  const configuration = await discover(url, third);
  const request = await authorizationRequest(configuration, third.redirectUri, { scope: 'openid' });
  const agent = createUserAgent(url);
  const page = await agent.follow(request.url);
  const { email: identifier, password } = people.user;
  const consent = await agent.submit(page, '/sign-in', { identifier, password });
  const end = await agent.submit(consent, '/consent', { decision: 'allow' });
  return (await exchange(configuration, request, end.url)).access_token;
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt, exportJWK, generateKeyPair, UnsecuredJWT } from 'jose';
import { createDpopKey } from '../helpers/dpop.ts';
import { seedPeople, type TestClient } from '../helpers/gatehouse.ts';
import { startUpstream } from '../helpers/upstream.ts';
import {
  type Answer,
  addUser,
  basic,
  bearer,
  createWorld,
  eventsOf,
  getJson,
  introspect,
  isDeadEverywhere,
  postForm,
  signInForTokens,
} from './support.ts';
import {
  actor,
  exchangeToken,
  ownToken,
  seedExchanger,
  tokenType,
} from './token-exchange-support.ts';

const world = await createWorld({ settings: { OUTBOUND_ALLOWED_HOSTS: 'localhost' } });
const { url, people, deps } = world;
const lotus = people.tenantId;
const maple = await seedPeople(deps, 'maple');
const platform = (await deps.tenants.ensurePlatform()).id;
const upstream = await startUpstream();
const { issuer, jwksUri, audience } = upstream;
const { trustedIssuers } = deps;

await trustedIssuers.add({ tenantId: lotus, issuer, jwksUri, audience });
const client = await seedExchanger(world, lotus);
await trustedIssuers.link({
  tenantId: lotus,
  userId: people.user.id,
  issuer,
  subject: 'subject-1',
});

const exchange = (
  token: string,
  options: {
    as?: TestClient;
    more?: Record<string, string>;
    headers?: Record<string, string>;
  } = {},
): Promise<Answer> =>
  exchangeToken(
    url,
    options.as ?? client,
    token,
    { subject_token_type: tokenType('jwt'), ...options.more },
    options.headers,
  );

function assertRefused({ status, body }: Answer, why: string): void {
  assert.deepEqual(
    [status, body.error],
    [400, 'invalid_request'],
    `${why}: ${JSON.stringify(body)}`,
  );
}

/** An issuer of a tenant, and its own way to link. */
async function trust(options: {
  tenantId?: string;
  linkBy?: 'none' | 'email' | 'username';
  more?: Partial<Parameters<typeof trustedIssuers.add>[0]>;
}) {
  const one = await startUpstream();
  await trustedIssuers.add({
    tenantId: options.tenantId ?? lotus,
    issuer: one.issuer,
    jwksUri: one.jwksUri,
    audience: one.audience,
    linkBy: options.linkBy ?? 'none',
    ...options.more,
  });
  return one;
}

test('a token of a trusted issuer gives one of ours for the user it is linked to', async () => {
  const signedInAt = Math.floor(Date.now() / 1000) - 100;
  const token = await upstream.sign({ auth_time: signedInAt, scope: 'admin', tid: maple.tenantId });
  const { status, body } = await exchange(token, { more: { scope: 'openid profile' } });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.issued_token_type, tokenType('access_token'));
  assert.equal(body.refresh_token, undefined);
  const accessToken = String(body.access_token);
  const claims = decodeJwt(accessToken);
  assert.equal(claims.iss, url);
  assert.equal(claims.sub, people.user.id);
  assert.equal(claims.tid, lotus);
  assert.deepEqual(claims.tids, [lotus]);
  assert.deepEqual(claims.amr, ['fed']);
  assert.equal(claims.auth_time, signedInAt);
  assert.equal(claims.acr, undefined);
  assert.equal(claims.sid, undefined);
  assert.equal(claims.scope, 'openid profile');
  assert.equal(claims.client_id, client.clientId);
  assert.ok(Number(claims.exp) <= Number(decodeJwt(token).exp));
  assert.equal((await getJson(`${url}/api/v1/me`, bearer(accessToken))).body.id, people.user.id);
  assert.equal((await introspect(url, client, accessToken)).body.active, true);
  const { body: info } = await getJson(`${url}/userinfo`, bearer(accessToken));
  assert.equal(info.sub, people.user.id);
});

test('scopes of another issuer mean nothing here: without asking there are none', async () => {
  const { body } = await exchange(await upstream.sign({ scope: 'openid tenant:users:write' }));
  assert.equal(body.scope, undefined);
  assert.equal(decodeJwt(String(body.access_token)).scope, undefined);
  const { body: refused } = await exchange(await upstream.sign(), {
    more: { scope: 'tenant:users:write' },
  });
  assert.equal(refused.error, 'invalid_scope');
});

test('without or with a wrong iss, aud, exp, iat or subject it is refused (GHSA-wxg7-w2v3-w38g, CVE-2026-55669)', async () => {
  const now = Math.floor(Date.now() / 1000);
  const cases: Record<string, Record<string, unknown>> = {
    'no iss': { iss: undefined },
    'another iss': { iss: 'https://other.example' },
    'an iss with a slash more': { iss: `${issuer}/` },
    'no aud': { aud: undefined },
    'another aud': { aud: 'another-client' },
    'an aud of the same beginning': { aud: `${audience}x` },
    'no exp': { exp: undefined },
    'an exp in the past': { exp: now - 60 },
    'an exp before iat': { exp: now + 5, iat: now + 9 },
    'no iat': { iat: undefined },
    'an iat in the future': { iat: now + 600, exp: now + 900 },
    'an iat too long ago': { iat: now - 4_000, exp: now + 9_000 },
    'an nbf in the future': { nbf: now + 600 },
    'no sub': { sub: undefined },
    'an empty sub': { sub: '' },
    'a sub of another type': { sub: 1 },
    'a NUL in sub': { sub: 'subject-1\u0000' },
    'half a character in sub': { sub: 'subject-1\ud800' },
    'an overlong sub': { sub: 's'.repeat(256) },
    'a NUL in iss': { iss: `${issuer}\u0000` },
    'an unknown sub': { sub: 'subject-2' },
    'an exp of another type': { exp: String(now + 300) },
  };
  for (const [why, claims] of Object.entries(cases)) {
    assertRefused(await exchange(await upstream.sign(claims)), why);
  }
  const among = await exchange(await upstream.sign({ aud: ['other', audience], azp: audience }));
  assert.equal(among.status, 200, 'one audience of several');
});

test('a signature that does not verify is refused, whatever the header says (ASVS 9.1.2, 9.1.3)', async () => {
  const thief = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(thief.publicKey);
  const good = decodeJwt(await upstream.sign());
  const secret = new TextEncoder().encode(JSON.stringify(upstream.keys[0]?.jwk));
  const tokens: Record<string, string> = {
    'another key': await upstream.sign({}, {}, thief.privateKey),
    'another key, no kid': await upstream.sign({}, { kid: undefined }, thief.privateKey),
    'an unknown kid': await upstream.sign({}, { kid: 'x' }),
    'its own key': await upstream.sign({}, { jwk }, thief.privateKey),
    'a key at its address': await upstream.sign({}, { jku: 'https://evil.example/' }),
    'a certificate at its address': await upstream.sign({}, { x5u: 'https://evil.example/' }),
    'a certificate': await upstream.sign({}, { x5c: ['MIIB'] }),
    'no signature': new UnsecuredJWT(good).encode(),
    'the public key as a secret': await upstream.sign({}, { alg: 'HS256' }, secret),
    truncated: (await upstream.sign()).slice(0, -3),
    'an altered payload': (await upstream.sign()).replace(
      /\.([^.]+)\./,
      `.${Buffer.from(JSON.stringify({ ...good, sub: 'other' })).toString('base64url')}.`,
    ),
  };
  for (const [why, token] of Object.entries(tokens)) assertRefused(await exchange(token), why);
});

test('only the algorithms of the entry are taken, and none that is symmetric can be one', async () => {
  const one = await trust({ more: { algs: ['RS256'] } });
  await trustedIssuers.link({
    tenantId: lotus,
    userId: people.user.id,
    issuer: one.issuer,
    subject: 'subject-1',
  });
  assertRefused(await exchange(await one.sign()), 'ES256');
  await one.addKey('RS256');
  assert.equal((await exchange(await one.sign())).status, 200, 'RS256');
  await assert.rejects(
    trustedIssuers.add({
      tenantId: lotus,
      issuer: 'https://hmac.example',
      jwksUri: 'https://hmac.example/jwks',
      audience,
      algs: ['HS256' as 'RS256'],
    }),
  );
});

test('a token of another kind is refused by its type (RFC 8725 3.11)', async () => {
  for (const typ of ['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'oauth-authz-req+jwt', 'x']) {
    assertRefused(await exchange(await upstream.sign({}, { typ })), typ);
  }
  const at = await upstream.sign({}, { typ: 'at+jwt' });
  const idToken = { more: { subject_token_type: tokenType('id_token') } };
  assertRefused(await exchange(at, idToken), 'an access token as an ID token');
  for (const [typ, type] of [
    ['at+jwt', 'access_token'],
    ['application/at+jwt', 'jwt'],
    ['JWT', 'id_token'],
    [undefined, 'access_token'],
  ]) {
    const more = { subject_token_type: tokenType(String(type)) };
    const answer = await exchange(await upstream.sign({}, { typ }), { more });
    assert.equal(answer.status, 200, `${typ} as ${type}: ${JSON.stringify(answer.body)}`);
  }
});

test("a client of another tenant cannot use the tenant's issuers; one of the platform can", async () => {
  const stranger = await seedExchanger(world, maple.tenantId);
  assertRefused(await exchange(await upstream.sign(), { as: stranger }), 'another tenant');
  const named = { as: stranger, more: { tenant: 'lotus' } };
  assertRefused(await exchange(await upstream.sign(), named), 'naming the tenant does not help');
  const ofPlatform = await seedExchanger(world, platform);
  const { status, body } = await exchange(await upstream.sign(), { as: ofPlatform });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(decodeJwt(String(body.access_token)).tid, lotus);
  const nowhere = { as: ofPlatform, more: { tenant: 'nowhere' } };
  assertRefused(await exchange(await upstream.sign(), nowhere), 'an unknown tenant');
});

test("another tenant that claims the same issuer with its own keys reaches nobody's user (ASVS 6.8.1)", async () => {
  const evil = await startUpstream();
  await trustedIssuers.add({
    tenantId: maple.tenantId,
    issuer,
    jwksUri: evil.jwksUri,
    audience: 'evil',
    linkBy: 'email',
  });
  const own = await seedExchanger(world, maple.tenantId);
  const ofPlatform = await seedExchanger(world, platform);
  const forged = { iss: issuer, aud: 'evil', email: maple.user.email, email_verified: true };
  for (const as of [own, ofPlatform, client]) {
    assertRefused(await exchange(await evil.sign(forged), { as }), 'linked to a user of Lotus');
    const both = { ...forged, aud: ['evil', audience], azp: 'evil' };
    assertRefused(await exchange(await evil.sign(both), { as }), 'both audiences');
  }
  await trustedIssuers.remove(maple.tenantId, issuer);
});

test('a subject is linked by an address only if the issuer may, and both sides have verified it', async () => {
  const none = await trust({ linkBy: 'none' });
  const one = await trust({ linkBy: 'email' });
  const claims = { sub: 'an-at-upstream', email: people.user.email.toUpperCase() };
  const verified = { ...claims, email_verified: true };
  assertRefused(await exchange(await none.sign(verified)), 'the issuer may not');
  assertRefused(await exchange(await one.sign(claims)), 'unverified there');
  const asText = { ...claims, email_verified: 'true' };
  assertRefused(await exchange(await one.sign(asText)), 'a text is no boolean');
  const unverified = await addUser(world, 'unverified');
  const theirs = { sub: 'x', email: unverified.identifier, email_verified: true };
  assertRefused(await exchange(await one.sign(theirs)), 'unverified here');
  const { status, body } = await exchange(await one.sign(verified));
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(decodeJwt(String(body.access_token)).sub, people.user.id);
  const linked = await eventsOf(deps, 'identity.external_identity.linked.v1');
  assert.deepEqual(linked.at(-1)?.data, {
    userId: people.user.id,
    issuer: one.issuer,
    by: 'email',
  });
  const again = await exchange(
    await one.sign({ sub: 'an-at-upstream', email: 'new@else.example' }),
  );
  assert.equal(decodeJwt(String(again.body.access_token)).sub, people.user.id, 'the link holds');
});

test("an address that moves to another person upstream does not bring its old owner's account along (ASVS 6.8.1)", async () => {
  const one = await trust({ linkBy: 'email' });
  const claims = { email: people.user.email, email_verified: true };
  assert.equal((await exchange(await one.sign({ ...claims, sub: 'first' }))).status, 200);
  assertRefused(await exchange(await one.sign({ ...claims, sub: 'second' })), 'another subject');
});

test('a subject is linked by its name where the issuer may, by the claim that is configured', async () => {
  const one = await trust({
    linkBy: 'username',
    more: { usernameClaim: 'login', subjectClaim: 'oid' },
  });
  const claims = { oid: 'object-1', login: people.user.username };
  assertRefused(await exchange(await one.sign({ ...claims, login: people.user.email })), 'no name');
  const { body } = await exchange(await one.sign(claims));
  assert.equal(decodeJwt(String(body.access_token)).sub, people.user.id, JSON.stringify(body));
  assertRefused(await exchange(await one.sign({ login: people.user.username })), 'no oid');
});

test('first uses at the same time make one link, and all succeed', async () => {
  const one = await trust({ linkBy: 'username' });
  const token = await one.sign({ sub: 's', preferred_username: people.user.username });
  const answers = await Promise.all(Array.from({ length: 6 }, () => exchange(token)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200, 200],
  );
  const rows = await deps.postgres.knex('external_identities').where({ issuer: one.issuer });
  assert.equal(rows.length, 1);
});

test('a user of another tenant is never found by address or name', async () => {
  const one = await trust({ linkBy: 'email' });
  const token = await one.sign({ sub: 'x', email: maple.user.email, email_verified: true });
  assertRefused(await exchange(token), 'a user of Maple');
});

test('an issuer that was disabled, removed or never trusted is refused; enabled again it is taken', async () => {
  await trustedIssuers.setDisabled(lotus, issuer, true);
  assertRefused(await exchange(await upstream.sign()), 'disabled');
  await trustedIssuers.setDisabled(lotus, issuer, false);
  assert.equal((await exchange(await upstream.sign())).status, 200);
  const stranger = await startUpstream();
  assertRefused(await exchange(await stranger.sign()), 'never trusted');
  assert.equal(stranger.state.requests, 0, 'its keys are not even asked for');
  const changes = await eventsOf(deps, 'identity.trusted_issuer.changed.v1');
  const ours = changes.filter(
    ({ data, tenant_id }) => data.issuer === issuer && tenant_id === lotus,
  );
  assert.deepEqual(
    ours.map(({ data }) => data.change),
    ['added', 'disabled', 'enabled'],
  );
});

test('keys given by hand need no fetch', async () => {
  const one = await startUpstream();
  const keys = one.keys.map(({ jwk }) => jwk) as { kty: 'EC' }[];
  await trustedIssuers.add({
    tenantId: lotus,
    issuer: one.issuer,
    jwks: { keys },
    audience: one.audience,
    linkBy: 'username',
  });
  const token = await one.sign({ preferred_username: people.user.username });
  assert.equal((await exchange(token)).status, 200);
  assert.equal(one.state.requests, 0);
});

test('while the keys of the issuer cannot be had, the answer is 503 temporarily_unavailable', async () => {
  const one = await trust({ linkBy: 'username' });
  one.state.status = 500;
  const { status, body, headers } = await exchange(
    await one.sign({ preferred_username: people.user.username }),
  );
  assert.deepEqual([status, body.error], [503, 'temporarily_unavailable']);
  assert.ok(headers.get('retry-after'));
});

test('the token is ended like any other: by revoking it, and with all sessions of the user', async () => {
  const guest = await addUser(world, 'guest');
  await trustedIssuers.link({ tenantId: lotus, userId: guest.id, issuer, subject: 'guest' });
  const get = async () =>
    String((await exchange(await upstream.sign({ sub: 'guest' }))).body.access_token);
  const [first, second] = [await get(), await get()];
  await postForm(`${url}/revoke`, { token: first }, basic(client));
  assert.ok(await isDeadEverywhere(url, client, first));
  assert.equal((await introspect(url, client, second)).body.active, true);
  await deps.sessions.endAllOf(guest.id, { reason: 'ended_by_administrator' });
  assert.ok(await isDeadEverywhere(url, client, second));
  await deps.postgres.knex('users').where({ id: guest.id }).update({ status: 'suspended' });
  assertRefused(await exchange(await upstream.sign({ sub: 'guest' })), 'suspended');
});

test('it is noted as federation, with issuer and actor; a service can act at once (RFC 8693 4.1)', async () => {
  const answer = await exchange(await upstream.sign(), {
    more: actor(await ownToken(url, client)),
  });
  assert.deepEqual(decodeJwt(String(answer.body.access_token)).act, { sub: client.clientId });
  const event = (await eventsOf(deps, 'identity.token.exchanged.v1')).at(-1);
  assert.equal(event?.data.kind, 'federation');
  assert.equal(event?.data.subjectIssuer, issuer);
  assert.equal(event?.data.subjectClientId, null);
  assert.deepEqual(event?.data.actors, [client.clientId]);
  assert.equal(event?.tenant_id, lotus);
});

test('may_act names the one party that may act (RFC 8693 4.4)', async () => {
  for (const may_act of [
    { sub: 'another' },
    { sub: client.clientId, iss: 'https://x.example' },
    {},
    'x',
    null,
  ]) {
    assertRefused(await exchange(await upstream.sign({ may_act })), JSON.stringify(may_act));
  }
  const token = await upstream.sign({ may_act: { sub: client.clientId } });
  assert.equal((await exchange(token)).status, 200);
  const { accessToken } = await signInForTokens(world);
  const more = actor(accessToken);
  assertRefused(await exchange(token, { more }), 'another actor');
});

test('actors of a foreign token stay in the chain, as those of its issuer', async () => {
  const act = { sub: 'gateway', act: { sub: 'robot', iss: 'https://robots.example' } };
  const earlier = { ...act, iss: issuer };
  const token = await upstream.sign({ act });
  const { body } = await exchange(token);
  assert.deepEqual(decodeJwt(String(body.access_token)).act, earlier);
  const more = actor(await ownToken(url, client));
  const delegated = await exchange(token, { more });
  const claims = decodeJwt(String(delegated.body.access_token));
  assert.deepEqual(claims.act, { sub: client.clientId, act: earlier });
  for (const bad of [
    'x',
    {},
    { sub: '' },
    { sub: 1 },
    { sub: 'a\u0000' },
    { sub: '\ud800' },
    { sub: 'a', act: { sub: 'b', act: 5 } },
  ]) {
    assertRefused(await exchange(await upstream.sign({ act: bad })), JSON.stringify(bad));
  }
  let long: object = { sub: 'a' };
  for (let depth = 0; depth < 3; depth += 1) long = { sub: 'a', act: long };
  const four = await upstream.sign({ act: long });
  assert.equal((await exchange(four)).status, 200);
  assertRefused(await exchange(four, { more }), 'a fifth');
  assertRefused(await exchange(await upstream.sign({ act: { sub: 'a', act: long } })), 'five');
});

test('a foreign token that is bound to a key needs its proof, and an unknown binding is refused', async () => {
  const key = await createDpopKey();
  const token = await upstream.sign({ cnf: { jkt: key.thumbprint } });
  assertRefused(await exchange(token), 'no proof');
  for (const cnf of [{ jwk: {} }, { jkt: 1 }, { jkt: 'x', kid: 'y' }, 'x', null, []]) {
    assertRefused(await exchange(await upstream.sign({ cnf })), JSON.stringify(cnf));
  }
  const TOKEN = `${url}/token`;
  const first = await exchange(token, {
    headers: { DPoP: await key.prove({ method: 'POST', url: TOKEN }) },
  });
  const nonce = first.headers.get('dpop-nonce') ?? undefined;
  const DPoP = await key.prove({ method: 'POST', url: TOKEN, nonce });
  const { status, body } = await exchange(token, { headers: { DPoP } });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.token_type, 'DPoP');
});

test('the grant that it makes lives no longer than it may, so that storage stays bounded', async () => {
  const now = Math.floor(Date.now() / 1000);
  await exchange(await upstream.sign({ exp: now + 10 * 365 * 86_400 }));
  const ends: Date[] = await deps.postgres
    .knex('oidc_grants')
    .where({ client_id: client.clientId })
    .pluck('expires_at');
  const latest = Math.max(...ends.map((end) => end.getTime() / 1000));
  assert.ok(latest > now && latest <= now + 3_600 + 60, String(latest - now));
});

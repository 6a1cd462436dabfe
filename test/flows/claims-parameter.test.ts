import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { seedClient } from '../helpers/gatehouse.ts';
import { discover } from '../helpers/openid.ts';
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
} from './support.ts';

const world = await createWorld();
const { url, people, client, deps } = world;

/** The tokens of a sign-in that asked for these claims. */
async function tokensFor(claims: unknown, more: Record<string, string> = {}, at = world) {
  const parameters = { scope: 'openid', claims: JSON.stringify(claims), ...more };
  const { form } = await obtainCode(at, { parameters });
  const { status, body } = await postForm(`${at.url}/token`, form, basic(at.client));
  assert.equal(status, 200, JSON.stringify(body));
  return body as Record<string, string>;
}

const userinfoOf = async (token: string | undefined, at = url) =>
  (await getJson(`${at}/userinfo`, bearer(String(token)))).body;

/** What a request for these claims is refused by. */
async function errorOf(claims: string): Promise<string | null> {
  const query = new URLSearchParams({
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    claims,
  });
  const end = await createUserAgent(url).follow(`${url}/authorize?${query}`);
  return end.url.searchParams.get('error');
}

test('a claim asked for at userinfo comes there, and no other (Core 5.5)', async () => {
  const { access_token, id_token } = await tokensFor({ userinfo: { email: { essential: true } } });
  const body = await userinfoOf(access_token);
  assert.equal(body.email, people.user.email);
  assert.equal(body.email_verified, undefined);
  assert.equal(body.name, undefined);
  assert.equal(decodeJwt(String(id_token)).email, undefined);
});

test('a claim asked for in the ID token comes there, beside what is always there (Core 5.5)', async () => {
  const { id_token, access_token } = await tokensFor({
    id_token: { email: null, preferred_username: null, auth_time: { essential: true } },
  });
  const claims = decodeJwt(String(id_token));
  assert.equal(claims.email, people.user.email);
  assert.equal(claims.preferred_username, people.user.username);
  assert.equal(claims.name, undefined);
  assert.ok(Number.isInteger(claims.auth_time));
  assert.equal((await userinfoOf(access_token)).email, undefined);
});

test('what was asked for holds after a refresh, and for opaque tokens (Core 5.5, 12.2)', async () => {
  const first = await tokensFor({ userinfo: { email: null } });
  const { body } = await refresh(url, client, String(first.refresh_token));
  assert.equal((await userinfoOf(String(body.access_token))).email, people.user.email);
  const opaque = await createWorld({ settings: { ACCESS_TOKEN_FORMAT: 'opaque' } });
  const { access_token } = await tokensFor({ userinfo: { email: null } }, {}, opaque);
  assert.equal((await userinfoOf(access_token, opaque.url)).email, opaque.people.user.email);
});

test('claims that there are none of are left out, and bloat no token (Core 5.5.1)', async () => {
  const { access_token } = await tokensFor({
    userinfo: { email: null, shoe_size: { essential: true }, phone_number: null },
  });
  assert.deepEqual(decodeJwt(String(access_token)).userinfo_claims, ['email', 'phone_number']);
  const body = await userinfoOf(access_token);
  assert.equal(body.email, people.user.email);
  assert.ok(!('shoe_size' in body) && !('phone_number' in body));
  const { body: introspection } = await introspect(url, client, String(access_token));
  assert.equal(introspection.userinfo_claims, undefined);
});

test('a token for which nothing was asked one by one has the frozen claims only', async () => {
  const { form } = await obtainCode(world);
  const { body } = await postForm(`${url}/token`, form, basic(client));
  assert.equal(decodeJwt(String(body.access_token)).userinfo_claims, undefined);
});

test('the person who is asked for signs in, or nobody does (Core 5.5.1)', async () => {
  const claims = { id_token: { sub: { value: people.user.id } } };
  assert.equal(decodeJwt(String((await tokensFor(claims)).id_token)).sub, people.user.id);
  const silent = new URLSearchParams({
    client_id: client.clientId,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'openid',
    prompt: 'none',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    claims: JSON.stringify({ id_token: { sub: { value: 'somebody-else' } } }),
  });
  const { agent } = await obtainCode(world);
  const end = await agent.follow(`${url}/authorize?${silent}`);
  assert.equal(end.url.searchParams.get('error'), 'login_required');
});

const MALFORMED = ['x', '[]', '"x"', 'null', '{}', '{"userinfo":[]}', '{"id_token":{"email":"x"}}'];

test('a malformed claims parameter is refused (Core 5.5)', async () => {
  for (const claims of MALFORMED) assert.equal(await errorOf(claims), 'invalid_request', claims);
});

test('a third party is allowed a claim by the person, who is told of it (Core 5.5, ASVS 10.7.2)', async () => {
  const third = await seedClient(deps, people.tenantId, { isFirstParty: false });
  const configuration = await discover(url, third);
  assert.equal(configuration.serverMetadata().claims_parameter_supported, true);
  const query = new URLSearchParams({
    client_id: third.clientId,
    redirect_uri: third.redirectUri,
    response_type: 'code',
    scope: 'openid',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    claims: JSON.stringify({ userinfo: { email: null } }),
  });
  const agent = createUserAgent(url);
  const page = await agent.follow(`${url}/authorize?${query}`);
  const { email: identifier, password } = people.user;
  const consent = await agent.submit(page, '/sign-in', { identifier, password });
  assert.match(consent.html, /e-mail/i);
  const end = await agent.submit(consent, '/consent', { decision: 'allow' });
  assert.ok(end.url.searchParams.get('code'));
});

test('an address is not advertised: there is none to tell (Core 5.1.1)', async () => {
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  assert.ok(!(body.scopes_supported as string[]).includes('address'));
  assert.ok(!(body.claims_supported as string[]).includes('address'));
});

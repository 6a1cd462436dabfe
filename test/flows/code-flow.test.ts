import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import * as client from 'openid-client';
import { seedClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover, exchange, signIn } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
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

const world = await createWorld();
const { url, client: relyingParty, people } = world;
const { id: userId, email, password } = people.user;

/** The frozen claims of an access token that a person obtained (contract 2). */
const CLAIMS = [
  ...['acr', 'amr', 'aud', 'auth_time', 'client_id', 'exp', 'iat', 'iss', 'jti', 'scope', 'sid'],
  ...['sub', 'tid', 'tids'],
];

test('a certified client signs a person in from discovery alone', async () => {
  const configuration = await discover(url, relyingParty);
  const request = await authorizationRequest(configuration, relyingParty.redirectUri);
  const agent = createUserAgent(url);
  const redirect = await signIn(agent, request, { identifier: email, password });
  const tokens = await exchange(configuration, request, redirect);
  assert.equal(tokens.claims()?.sub, userId);
  const userinfo = await client.fetchUserInfo(configuration, tokens.access_token, userId);
  assert.equal(userinfo.email, email);
});

test('an access token has exactly the frozen claims and a header of alg, kid, typ (RFC 9068)', async () => {
  const before = Math.floor(Date.now() / 1000);
  const { accessToken } = await signInForTokens(world);
  const header = decodeProtectedHeader(accessToken);
  const claims = decodeJwt(accessToken);
  assert.deepEqual(Object.keys(header).sort(), ['alg', 'kid', 'typ']);
  assert.equal(header.alg, 'RS256');
  assert.equal(header.typ, 'at+jwt');
  assert.deepEqual(Object.keys(claims).sort(), CLAIMS);
  assert.equal(claims.iss, url);
  assert.equal(claims.aud, `${url}/api`);
  assert.equal(claims.sub, userId);
  assert.equal(claims.client_id, relyingParty.clientId);
  assert.equal(claims.tid, people.tenantId);
  assert.deepEqual(claims.tids, [people.tenantId]);
  assert.deepEqual(claims.amr, ['pwd']);
  assert.equal(claims.acr, 'urn:gatehouse:acr:1fa');
  assert.equal(claims.scope, 'openid profile email');
  assert.equal((claims.exp ?? 0) - (claims.iat ?? 0), 900);
  assert.ok((claims.auth_time as number) >= before);
});

test('a refreshed access token has the same claims, with the same sid and auth_time', async () => {
  const first = await signInForTokens(world);
  const answer = await refresh(url, relyingParty, first.refreshToken);
  assert.equal(answer.status, 200);
  const claims = decodeJwt(String(answer.body.access_token));
  const before = decodeJwt(first.accessToken);
  assert.deepEqual(Object.keys(claims).sort(), CLAIMS);
  for (const name of ['sub', 'aud', 'tid', 'tids', 'amr', 'acr', 'auth_time', 'sid', 'scope']) {
    assert.deepEqual(claims[name], before[name], name);
  }
  assert.notEqual(claims.jti, before.jti);
});

test('a sister service verifies an access token offline against the JWKS', async () => {
  const { accessToken } = await signInForTokens(world);
  const keys = createRemoteJWKSet(new URL(`${url}/jw-certs`));
  const { payload } = await jwtVerify(accessToken, keys, {
    issuer: url,
    audience: `${url}/api`,
    typ: 'at+jwt',
    algorithms: ['RS256'],
  });
  assert.equal(payload.sub, userId);
});

test('an ID token says who, when and how, lives an hour, and carries no profile by itself', async () => {
  const { idToken } = await signInForTokens(world);
  const claims = decodeJwt(idToken);
  assert.equal(claims.aud, relyingParty.clientId);
  assert.equal(claims.sub, userId);
  assert.deepEqual(claims.amr, ['pwd']);
  assert.equal(claims.acr, 'urn:gatehouse:acr:1fa');
  assert.equal((claims.exp ?? 0) - (claims.iat ?? 0), 3_600);
  assert.equal(claims.email, undefined);
});

test('the sid of the ID token is that of the access token, for clients that log out by it', async () => {
  const client = await seedClient(world.deps, people.tenantId, {
    metadata: {
      backchannel_logout_uri: 'https://portal.lotus.example/backchannel-logout',
      backchannel_logout_session_required: true,
    },
  });
  const { idToken, accessToken } = await signInForTokens(world, { client });
  assert.equal(typeof decodeJwt(idToken).sid, 'string');
  assert.equal(decodeJwt(idToken).sid, decodeJwt(accessToken).sid);
});

test('userinfo gives the claims of the granted scopes and no others', async () => {
  const { accessToken } = await signInForTokens(world, { parameters: { scope: 'openid email' } });
  const { status, body } = await getJson(`${url}/userinfo`, bearer(accessToken));
  assert.equal(status, 200);
  assert.deepEqual(body, { sub: userId, email, email_verified: true });
});

test('introspection tells what the token says, to a client that proves itself only', async () => {
  const { accessToken } = await signInForTokens(world);
  const { body } = await introspect(url, relyingParty, accessToken);
  assert.equal(body.active, true);
  assert.equal(body.sub, userId);
  assert.equal(body.client_id, relyingParty.clientId);
  assert.equal(body.tid, people.tenantId);
  assert.equal(body.token_type, 'Bearer');
  const stranger = { ...relyingParty, clientSecret: 'wrong' };
  const refused = await introspect(url, stranger, accessToken);
  assert.equal(refused.status, 401);
  assert.equal(refused.body.error, 'invalid_client');
});

test('an ID token is no access token: userinfo, introspection and the API refuse it (RFC 9068 4)', async () => {
  const { idToken } = await signInForTokens(world);
  assert.ok(await isDeadEverywhere(url, relyingParty, idToken));
});

test('a revoked JWT access token is dead at once for introspection, userinfo and the API', async () => {
  const { accessToken, refreshToken } = await signInForTokens(world);
  assert.equal((await getJson(`${url}/api/v1/me`, bearer(accessToken))).status, 200);
  const revoked = await postForm(`${url}/revoke`, { token: accessToken }, basic(relyingParty));
  assert.equal(revoked.status, 200);
  assert.ok(await isDeadEverywhere(url, relyingParty, accessToken));
  // RFC 7009 2.1: the server may revoke the refresh token beside it, and does.
  assert.equal((await refresh(url, relyingParty, refreshToken)).body.error, 'invalid_grant');
});

test('revoking a refresh token ends its access tokens as well (RFC 7009 2.1)', async () => {
  const { accessToken, refreshToken } = await signInForTokens(world);
  const revoked = await postForm(`${url}/revoke`, { token: refreshToken }, basic(relyingParty));
  assert.equal(revoked.status, 200);
  assert.equal((await refresh(url, relyingParty, refreshToken)).body.error, 'invalid_grant');
  assert.equal((await introspect(url, relyingParty, refreshToken)).body.active, false);
  assert.ok(await isDeadEverywhere(url, relyingParty, accessToken));
});

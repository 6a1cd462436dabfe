import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { startConsumers } from '../../src/jobs.ts';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { startLogoutReceiver, verifyLogoutToken } from '../helpers/logout-receiver.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { createUserAgent, type UserAgent } from '../helpers/user-agent.ts';
import { CHEAP_HASHES, callApi, login } from './auth-support.ts';
import {
  addUser,
  createWorld,
  eventsOf,
  getJson,
  introspect,
  isDeadEverywhere,
  refresh,
  signInForTokens,
} from './support.ts';

/** Applications that a person has allowed something: seen, and taken back (ASVS 10.7.3, 10.4.9). */

const receiver = await startLogoutReceiver();
const world = await createWorld({
  settings: { ...CHEAP_HASHES, OUTBOUND_ALLOWED_HOSTS: receiver.host },
});
const { url, client, people, deps } = world;
startConsumers(deps);
const calendar = await seedClient(deps, people.tenantId, {
  isFirstParty: false,
  metadata: {
    client_name: 'Acme Calendar',
    logo_uri: 'https://acme.example/logo.svg',
    client_uri: 'http://acme.example/',
    backchannel_logout_uri: receiver.url,
  },
});
const diary = await seedClient(deps, people.tenantId, {
  isFirstParty: false,
  metadata: { client_name: 'Acme Diary', logo_uri: 'http://acme.example/logo.svg' },
});

interface Listed {
  id: string;
  clientId: string;
  name: string;
  logoUri: string | null;
  clientUri: string | null;
  isFirstParty: boolean;
  since: string;
  lastUsedAt: string;
  hasRefreshTokens: boolean;
  scopes: { scope: string; title: string }[];
  resources: unknown[];
}

const list = async (token: string, headers: Record<string, string> = {}) => {
  const { status, body } = await callApi(url, 'GET', '/me/applications', { token, headers });
  assert.equal(status, 200);
  return body.applications as Listed[];
};
const revoke = (token: string, id: string) =>
  callApi(url, 'DELETE', `/me/applications/${id}`, { token });

/** Signs in to an application, allowing what it asks for; tells whether it had to ask. */
async function allow(
  app: TestClient,
  credentials: { identifier: string; password: string },
  agent: UserAgent = createUserAgent(url),
  parameters: Record<string, string> = {},
) {
  const configuration = await discover(url, app);
  const request = await authorizationRequest(configuration, app.redirectUri, parameters);
  let page = await agent.follow(request.url);
  if (page.url.pathname.startsWith('/interaction') && /id="password"/.test(page.html)) {
    page = await agent.submit(page, '/sign-in', credentials);
  }
  const wasAsked = /value="allow"/.test(page.html);
  if (wasAsked) page = await agent.submit(page, '/consent', { decision: 'allow' });
  const tokens = await exchange(configuration, request, page.url);
  return {
    agent,
    wasAsked,
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? '',
  };
}

/** A person with a token of the first-party API. */
async function person(name: string) {
  const { id, identifier, password } = await addUser(world, name);
  const user = { ...people.user, email: identifier, password };
  const { accessToken } = await login({ url, people: { ...people, user } });
  return { id, credentials: { identifier, password }, token: accessToken };
}

const SCOPE = { scope: 'openid profile email offline_access', prompt: 'consent' };

test('an application is listed with name, links, times and scopes in words', async () => {
  const { credentials, token } = await person('reader');
  assert.deepEqual(await list(token), [], 'the API that is asked is none of them');
  const before = Date.now() - 1_000;
  const { agent } = await allow(calendar, credentials, undefined, SCOPE);
  const [one, ...others] = await list(token);
  assert.ok(one);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [one.id, one.clientId, one.name, one.isFirstParty, one.hasRefreshTokens],
    [calendar.clientId, calendar.clientId, 'Acme Calendar', false, true],
  );
  assert.equal(one.logoUri, 'https://acme.example/logo.svg');
  assert.equal(one.clientUri, null, 'only addresses of the encrypted web are shown');
  for (const time of [one.since, one.lastUsedAt]) {
    assert.ok(Date.parse(time) >= before && Date.parse(time) <= Date.now());
  }
  assert.deepEqual(
    one.scopes.map(({ scope }) => scope),
    ['openid', 'profile', 'email', 'offline_access'],
  );
  const english = one.scopes.map(({ title }) => title);
  const vietnamese = await list(token, { 'accept-language': 'vi-VN, en;q=0.5' });
  const words = vietnamese[0]?.scopes.map(({ title }) => title) ?? [];
  assert.equal(words.length, english.length);
  assert.ok(words.every((title, index) => title !== '' && title !== english[index]));

  await allow(diary, credentials, agent, SCOPE);
  await signInForTokens(world, { credentials });
  const all = await list(token);
  assert.deepEqual(all.map(({ name, isFirstParty }) => [name, isFirstParty]).sort(), [
    ['Acme Calendar', false],
    ['Acme Diary', false],
    ['Lotus Portal', true],
  ]);
  assert.equal(
    all.find(({ name }) => name === 'Acme Diary')?.logoUri,
    null,
    'nor any logo of another',
  );
});

test('taking it back ends refresh and access tokens, tells the application and asks anew (ASVS 10.7.3, 10.4.9)', async () => {
  const { id, credentials, token } = await person('owner');
  const first = await allow(calendar, credentials, undefined, SCOPE);
  const other = await allow(diary, credentials, first.agent, SCOPE);
  const device = await allow(calendar, credentials, undefined, SCOPE);
  const told = receiver.received.length;
  const before = (await eventsOf(deps)).length;

  assert.equal((await revoke(token, calendar.clientId)).status, 204);
  const events = (await eventsOf(deps)).slice(before);
  assert.deepEqual(
    events.map(({ type, subject, data }) => [type, subject, data]),
    [['identity.user.application_revoked.v1', id, { userId: id, clientId: calendar.clientId }]],
  );
  for (const { accessToken, refreshToken } of [first, device]) {
    assert.ok(await isDeadEverywhere(url, calendar, accessToken));
    const refused = await refresh(url, calendar, refreshToken);
    assert.deepEqual([refused.status, refused.body.error], [400, 'invalid_grant']);
  }
  await receiver.waitFor(told + 2);
  const sids = await Promise.all(
    receiver.received.slice(told).map(async (one) => {
      const { payload } = await verifyLogoutToken(url, calendar.clientId, one.token);
      return payload.sid;
    }),
  );
  const own = [first, device].map(({ accessToken }) => decodeJwt(accessToken).sid);
  assert.deepEqual(sids.sort(), own.sort());

  assert.deepEqual(
    (await list(token)).map(({ name }) => name),
    ['Acme Diary'],
  );
  assert.equal((await introspect(url, diary, other.accessToken)).body.active, true);
  assert.equal((await refresh(url, diary, other.refreshToken)).status, 200);
  // The sessions go on, without the application: no password, but the question.
  const again = await allow(calendar, credentials, first.agent, { scope: 'openid profile' });
  assert.equal(again.wasAsked, true, 'consent is asked again');
  assert.equal((await getJson(`${url}/userinfo`, bearerOf(again.accessToken))).status, 200);
});

const bearerOf = (token: string) => ({ authorization: `Bearer ${token}` });

test('asked again, also many times at once, it is one end with one event', async () => {
  const { credentials, token } = await person('hasty');
  const { accessToken } = await allow(diary, credentials, undefined, SCOPE);
  const before = (await eventsOf(deps)).length;
  const answers = await Promise.all(Array.from({ length: 8 }, () => revoke(token, diary.clientId)));
  assert.deepEqual(
    answers.map(({ status }) => status),
    answers.map(() => 204),
  );
  assert.equal((await eventsOf(deps)).length, before + 1);
  assert.ok(await isDeadEverywhere(url, diary, accessToken));
});

test('a code that was not exchanged yet dies with it', async () => {
  const { credentials, token } = await person('quick');
  const configuration = await discover(url, diary);
  const request = await authorizationRequest(configuration, diary.redirectUri, SCOPE);
  const agent = createUserAgent(url);
  const page = await agent.submit(await agent.follow(request.url), '/sign-in', credentials);
  const { url: redirect } = await agent.submit(page, '/consent', { decision: 'allow' });
  assert.equal((await revoke(token, diary.clientId)).status, 204);
  await assert.rejects(exchange(configuration, request, redirect), { error: 'invalid_grant' });
});

test('an application of the operator is listed and ended too, though nobody is asked for it', async () => {
  const { credentials, token } = await person('staff');
  const { accessToken, refreshToken } = await signInForTokens(world, { credentials });
  assert.equal((await revoke(token, client.clientId)).status, 204);
  assert.ok(await isDeadEverywhere(url, client, accessToken));
  assert.equal((await refresh(url, client, refreshToken)).body.error, 'invalid_grant');
  assert.equal((await callApi(url, 'GET', '/me', { token })).status, 200, 'the caller goes on');
});

test('a client id that is an address is named by another spelling (CVE-2026-0976)', async () => {
  const { id, token } = await person('reader-of-documents');
  const clientId = 'https://app.example/oauth/metadata.json';
  await deps.postgres.knex('oidc_grants').insert({
    id: 'document-grant',
    user_id: id,
    client_id: clientId,
    tenant_id: people.tenantId,
    payload: JSON.stringify({ iat: 1_700_000_000, openid: { scope: 'openid' } }),
    expires_at: new Date(Date.now() + 60_000),
  });
  const [one] = await list(token);
  assert.equal(one?.clientId, clientId);
  assert.match(one?.id ?? '', /^~[\w-]+$/);
  assert.equal((await revoke(token, encodeURIComponent(clientId))).status, 404);
  assert.equal((await revoke(token, one?.id ?? '')).status, 204);
  assert.deepEqual(await list(token), []);
});

test('nobody sees or ends what somebody else has allowed (ASVS 8.2.2)', async () => {
  const victim = await person('victim');
  const { token } = await person('curious');
  const { accessToken } = await allow(calendar, victim.credentials, undefined, SCOPE);
  assert.deepEqual(await list(token), []);
  for (const id of [calendar.clientId, 'no-such-client', 'gatehouse-api', '~', '~!!', '~AAAA']) {
    const { status, body } = await revoke(token, id);
    assert.deepEqual([status, body.code], [404, 'IDENT_NOT_FOUND'], id);
  }
  assert.equal((await introspect(url, calendar, accessToken)).body.active, true);
  assert.equal((await list(victim.token)).length, 1);
});

test('without a token, or with one of an application, nothing is told (RFC 6750 3)', async () => {
  const { credentials } = await person('visitor');
  const { accessToken } = await allow(diary, credentials, undefined, SCOPE);
  for (const [method, path] of [
    ['GET', '/me/applications'],
    ['DELETE', `/me/applications/${diary.clientId}`],
    ['GET', '/me/activity'],
  ] as const) {
    const { status, body } = await callApi(url, method, path);
    assert.deepEqual([status, body.code], [401, 'IDENT_UNAUTHENTICATED'], path);
    const refused = await callApi(url, method, path, { token: accessToken });
    assert.deepEqual([refused.status, refused.body.code], [403, 'IDENT_FORBIDDEN'], path);
  }
});

test('nothing in this file was an error of ours', () => {
  assert.deepEqual(
    world.logs.filter(({ level }) => level === 'error'),
    [],
  );
});

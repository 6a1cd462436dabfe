import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { startConsumers } from '../../src/jobs.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { startLogoutReceiver, verifyLogoutToken } from '../helpers/logout-receiver.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { CHEAP_HASHES, callApi, login, refreshApi } from './auth-support.ts';
import {
  addUser,
  basic,
  createWorld,
  eventsOf,
  isDeadEverywhere,
  postForm,
  refresh,
  signInForTokens,
} from './support.ts';

/** One's own sessions: those of the API and those of the hosted pages are one kind of thing. */

const receiver = await startLogoutReceiver();
const world = await createWorld({
  settings: { ...CHEAP_HASHES, OUTBOUND_ALLOWED_HOSTS: receiver.host },
});
const { url, client, people, deps } = world;
startConsumers(deps);
const listening = await seedClient(deps, people.tenantId, {
  metadata: { client_name: 'Listening App', backchannel_logout_uri: receiver.url },
});

const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36';
const IPHONE =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1';

interface Listed {
  id: string;
  current: boolean;
  createdAt: string;
  lastSeenAt: string;
  expiresAt: string;
  clientIp: string | null;
  userAgent: string | null;
  device: string | null;
  amr: string[];
  clients: { clientId: string; name: string | null }[];
}

const list = async (token: string): Promise<Listed[]> =>
  (await callApi(url, 'GET', '/me/sessions', { token })).body.sessions as Listed[];

const sidOf = (token: string): string => String(decodeJwt(token).sid);
const end = (token: string, id: string) => callApi(url, 'DELETE', `/me/sessions/${id}`, { token });

/** Events of a piece of work, in short. */
async function eventsDuring(work: () => Promise<unknown>) {
  const before = (await eventsOf(deps)).length;
  await work();
  return (await eventsOf(deps)).slice(before);
}

/** Another person of the tenant, signed in: a list of their own. */
async function loginAs(name: string, headers: Record<string, string> = {}) {
  const { id, identifier, password } = await addUser(world, name);
  const user = { ...people.user, email: identifier, password };
  const signIn = () => login({ url, people: { ...people, user } }, headers);
  return { id, identifier, password, signIn, tokens: await signIn() };
}

test('sessions of the API and of the pages are listed alike, the one of the token marked', async () => {
  const { identifier, password, tokens } = await loginAs('lister', { 'user-agent': CHROME });
  const hosted = await signInForTokens(world, {
    client: listening,
    credentials: { identifier, password },
  });
  const listed = await list(tokens.accessToken);
  assert.deepEqual(
    listed.map(({ id }) => id),
    [sidOf(hosted.accessToken), sidOf(tokens.accessToken)],
    'the one used last first',
  );
  const [theirs, ours] = listed as [Listed, Listed];
  assert.deepEqual([theirs.current, ours.current], [false, true]);
  assert.deepEqual(
    [ours.device, ours.userAgent, ours.clientIp],
    ['Chrome on Windows', CHROME, '127.0.0.1'],
  );
  assert.deepEqual([theirs.amr, ours.amr], [['pwd'], ['pwd']]);
  assert.deepEqual(theirs.clients, [{ clientId: listening.clientId, name: 'Listening App' }]);
  assert.deepEqual(ours.clients, [{ clientId: 'gatehouse-api', name: 'Gatehouse' }]);
  assert.deepEqual(Object.keys(theirs).sort(), Object.keys(ours).sort());
  // A token of the pages sees the same list, and marks its own.
  const seen = await list(hosted.accessToken);
  assert.deepEqual(
    seen.map(({ current }) => current),
    [true, false],
  );
});

test('a refresh is a use: last seen, address and device follow it, within both limits', async (t) => {
  const start = Date.now();
  const { tokens } = await loginAs('refresher', { 'user-agent': CHROME });
  t.mock.timers.enable({ apis: ['Date'], now: start + 3 * 3_600_000 });
  const { body } = await callApi(url, 'POST', '/auth/refresh', {
    body: { refreshToken: tokens.refreshToken },
    headers: { 'user-agent': IPHONE },
  });
  const [session] = await list(String(body.accessToken));
  const hours = (time: string | undefined) => (Date.parse(time ?? '') - start) / 3_600_000;
  assert.equal(session?.device, 'Safari on iOS');
  assert.ok(Math.abs(hours(session?.createdAt)) < 0.1, session?.createdAt);
  assert.ok(Math.abs(hours(session?.lastSeenAt) - 3) < 0.01, session?.lastSeenAt);
  assert.ok(Math.abs(hours(session?.expiresAt) - 11) < 0.01, session?.expiresAt);
});

test('a session that was not used for too long, or lives too long, is over for the API too', async (t) => {
  const strict = await createWorld({
    settings: { ...CHEAP_HASHES, SESSION_IDLE_TTL: '3600', SESSION_ABSOLUTE_TTL: '7200' },
  });
  const idle = await login(strict);
  const used = await login(strict);
  const start = Date.now();
  t.mock.timers.enable({ apis: ['Date'], now: start });
  const at = (seconds: number) => t.mock.timers.setTime(start + seconds * 1_000);
  const listOf = async (token: string) =>
    (await callApi(strict.url, 'GET', '/me/sessions', { token })).body.sessions as Listed[];

  at(3_500);
  const first = await refreshApi(strict.url, used.refreshToken);
  assert.equal(first.status, 200);
  assert.equal((await listOf(String(first.body.accessToken))).length, 2);

  at(3_605);
  assert.deepEqual(
    (await listOf(String(first.body.accessToken))).map(({ id }) => id),
    [sidOf(used.accessToken)],
    'idle for an hour: gone from the list',
  );
  const refused = await refreshApi(strict.url, idle.refreshToken);
  assert.deepEqual([refused.status, refused.body.code], [401, 'IDENT_UNAUTHENTICATED']);

  at(7_000);
  const second = await refreshApi(strict.url, String(first.body.refreshToken));
  assert.equal(second.status, 200, 'used within the hour');
  at(7_205);
  assert.deepEqual(await listOf(String(second.body.accessToken)), [], 'two hours in all');
  const over = await refreshApi(strict.url, String(second.body.refreshToken));
  assert.deepEqual([over.status, over.body.code], [401, 'IDENT_UNAUTHENTICATED']);
});

test('signing out ends this session: refresh, access token, events (ASVS 7.4.1)', async () => {
  const { id, signIn, tokens } = await loginAs('leaver');
  const other = await signIn();
  const sid = sidOf(tokens.accessToken);
  const events = await eventsDuring(async () => {
    const { status } = await callApi(url, 'POST', '/auth/logout', { token: tokens.accessToken });
    assert.equal(status, 204);
  });
  assert.deepEqual(
    events.map(({ type, data }) => [type, data]),
    [
      ['identity.session.revoked.v1', { sessionId: sid, userId: id, reason: 'logout' }],
      ['identity.user.logged_out.v1', { sessionId: sid, userId: id }],
    ],
  );
  assert.ok(await isDeadEverywhere(url, client, tokens.accessToken));
  const refused = await refreshApi(url, tokens.refreshToken);
  assert.deepEqual([refused.status, refused.body.code], [401, 'IDENT_UNAUTHENTICATED']);
  const again = await eventsDuring(async () => {
    const { status } = await callApi(url, 'POST', '/auth/logout', { token: tokens.accessToken });
    assert.equal(status, 204, 'an answer that was lost can be asked for again');
  });
  assert.deepEqual(again, []);
  const others = await callApi(url, 'POST', '/auth/logout-all', { token: tokens.accessToken });
  assert.equal(others.status, 401, 'such a token does nothing else');
  assert.equal((await refreshApi(url, other.refreshToken)).status, 200, 'the other goes on');
});

test('a token that was revoked by itself signs nobody out', async () => {
  const { id, tokens } = await loginAs('revoker');
  await postForm(`${url}/revoke`, { token: tokens.accessToken, client_id: 'gatehouse-api' });
  const { status } = await callApi(url, 'POST', '/auth/logout', { token: tokens.accessToken });
  assert.equal(status, 401);
  const live = await deps.sessions.list(people.tenantId, id);
  assert.deepEqual(
    live.map((session) => session.id),
    [sidOf(tokens.accessToken)],
  );
});

test('signing out many times at once is one sign-out', async () => {
  const { tokens } = await loginAs('hasty');
  const events = await eventsDuring(async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () =>
        callApi(url, 'POST', '/auth/logout', { token: tokens.accessToken }),
      ),
    );
    assert.ok(answers.every(({ status }) => status === 204));
  });
  assert.equal(events.length, 2);
});

test('signing out everywhere ends sessions of both kinds and tells the clients (Back-Channel Logout 1.0)', async () => {
  const { identifier, password, signIn, tokens } = await loginAs('everywhere');
  const second = await signIn();
  const hosted = await signInForTokens(world, {
    client: listening,
    credentials: { identifier, password },
  });
  const events = await eventsDuring(async () => {
    const { status } = await callApi(url, 'POST', '/auth/logout-all', {
      token: tokens.accessToken,
    });
    assert.equal(status, 204);
  });
  const counts = (type: string) => events.filter((event) => event.type === type).length;
  assert.equal(counts('identity.session.revoked.v1'), 3);
  assert.equal(counts('identity.user.logged_out.v1'), 3);
  for (const token of [tokens.accessToken, second.accessToken, hosted.accessToken]) {
    assert.ok(await isDeadEverywhere(url, client, token));
  }
  assert.equal((await refreshApi(url, second.refreshToken)).status, 401);
  const grant = await refresh(url, listening, hosted.refreshToken);
  assert.equal(grant.body.error, 'invalid_grant');
  await receiver.waitFor(1);
  const token = receiver.received[0]?.token ?? '';
  const { payload } = await verifyLogoutToken(url, listening.clientId, token);
  assert.equal(payload.sid, sidOf(hosted.accessToken));
  // The browser has no session any more.
  const configuration = await discover(url, client);
  const request = await authorizationRequest(configuration, client.redirectUri, { prompt: 'none' });
  const silent = await hosted.agent.follow(request.url);
  assert.equal(silent.url.searchParams.get('error'), 'login_required');
  assert.equal((await signIn()).accessToken.length > 0, true, 'signing in again works');
});

test('one of the own sessions can be ended, of either kind, by its id', async () => {
  const { id, identifier, password, signIn, tokens } = await loginAs('keeper');
  const lost = await signIn();
  const hosted = await signInForTokens(world, { credentials: { identifier, password } });
  for (const token of [lost.accessToken, hosted.accessToken]) {
    const sid = sidOf(token);
    const events = await eventsDuring(async () => {
      assert.equal((await end(tokens.accessToken, sid)).status, 204);
    });
    assert.deepEqual(
      events.map(({ data }) => data),
      [{ sessionId: sid, userId: id, reason: 'ended_by_user' }],
    );
    assert.ok(await isDeadEverywhere(url, client, token));
    const again = await end(tokens.accessToken, sid);
    assert.deepEqual([again.status, again.body.code], [404, 'IDENT_NOT_FOUND']);
  }
  assert.equal((await list(tokens.accessToken)).length, 1);
});

test("another person's session is not there, of whatever tenant (ASVS 8.2.2)", async () => {
  const { tokens } = await loginAs('curious');
  const victim = await login(world);
  const elsewhere = await deps.tenants.create({ slug: 'orchid', name: 'Orchid Clinic' });
  const stranger = await deps.users.create(
    { tenantId: elsewhere.id, email: 'an@orchid.example' },
    people.user.password,
  );
  const user = { ...people.user, id: stranger.id, email: 'an@orchid.example' };
  const theirs = await login({ url, people: { tenantId: elsewhere.id, user } });
  const nobodys = '00000000-0000-7000-8000-000000000000';
  for (const id of [sidOf(victim.accessToken), sidOf(theirs.accessToken), nobodys]) {
    const { status, body } = await end(tokens.accessToken, id);
    assert.deepEqual([status, body.code], [404, 'IDENT_NOT_FOUND']);
  }
  assert.equal((await end(tokens.accessToken, 'no-uuid')).status, 400);
  for (const token of [victim.accessToken, theirs.accessToken]) {
    assert.equal((await callApi(url, 'GET', '/me', { token })).status, 200);
  }
});

test('an application of somebody else can neither see nor end sessions of its users', async () => {
  const app = await seedClient(deps, people.tenantId, { isFirstParty: false });
  const configuration = await discover(url, app);
  const request = await authorizationRequest(configuration, app.redirectUri);
  const { agent } = await signInForTokens(world);
  const page = await agent.follow(request.url);
  const { url: redirect } = await agent.submit(page, '/consent', { decision: 'allow' });
  const { access_token: accessToken } = await exchange(configuration, request, redirect);
  for (const [method, path] of [
    ['GET', '/me/sessions'],
    ['DELETE', `/me/sessions/${sidOf(accessToken)}`],
    ['POST', '/auth/logout'],
    ['POST', '/auth/logout-all'],
  ] as const) {
    const { status, body } = await callApi(url, method, path, { token: accessToken });
    assert.deepEqual([status, body.code], [403, 'IDENT_FORBIDDEN'], path);
  }
  assert.equal((await callApi(url, 'GET', '/me', { token: accessToken })).status, 200);
});

test('without a token, or with one of a machine, none of it is served (RFC 6750 3)', async () => {
  const grant = { grant_type: 'client_credentials' };
  const machine = await postForm(`${url}/token`, grant, basic(client));
  for (const [method, path] of [
    ['GET', '/me/sessions'],
    ['DELETE', `/me/sessions/${people.user.id}`],
    ['POST', '/auth/logout'],
    ['POST', '/auth/logout-all'],
  ] as const) {
    const { status, body, headers } = await callApi(url, method, path);
    assert.deepEqual([status, body.code], [401, 'IDENT_UNAUTHENTICATED'], path);
    assert.match(headers.get('www-authenticate') ?? '', /Bearer/);
    const refused = await callApi(url, method, path, { token: String(machine.body.access_token) });
    assert.deepEqual([refused.status, refused.body.code], [403, 'IDENT_FORBIDDEN'], path);
  }
});

test('a suspended person gets no further tokens, and those that are out open nothing', async () => {
  const { id, tokens } = await loginAs('suspended');
  await deps.postgres.knex('users').where({ id }).update({ status: 'suspended' });
  const refused = await refreshApi(url, tokens.refreshToken);
  assert.deepEqual([refused.status, refused.body.code], [401, 'IDENT_UNAUTHENTICATED']);
  assert.equal((await callApi(url, 'GET', '/me', { token: tokens.accessToken })).status, 401);
});

test('a replay ends the session: 401 IDENT_REFRESH_REPLAY, events, a line in the log (RFC 9700 4.14.2)', async () => {
  const { id, signIn, tokens } = await loginAs('replayed');
  const other = await signIn();
  const second = await refreshApi(url, tokens.refreshToken);
  const sid = sidOf(tokens.accessToken);
  const events = await eventsDuring(async () => {
    const replay = await refreshApi(url, tokens.refreshToken);
    assert.deepEqual([replay.status, replay.body.code], [401, 'IDENT_REFRESH_REPLAY']);
    const after = await refreshApi(url, String(second.body.refreshToken));
    assert.deepEqual([after.status, after.body.code], [401, 'IDENT_UNAUTHENTICATED']);
  });
  const data = { userId: id, sessionId: sid };
  assert.deepEqual(
    events.map((event) => [event.type, event.data]),
    [
      ['identity.session.revoked.v1', { ...data, reason: 'refresh_replay' }],
      [
        'identity.user.security_incident.v1',
        { ...data, kind: 'refresh_replay', clientId: 'gatehouse-api' },
      ],
    ],
  );
  for (const token of [tokens.accessToken, String(second.body.accessToken)]) {
    assert.ok(await isDeadEverywhere(url, client, token));
  }
  assert.equal((await refreshApi(url, other.refreshToken)).status, 200, 'the other goes on');
  const line = world.logs.findLast((one) => one.event === 'security.refresh_replay_detected');
  assert.deepEqual([line?.level, line?.userId], ['warn', id]);
});

test('what is no refresh token is 401, what is no text 400; both count as failures', async () => {
  for (const token of ['x', `ghr_${'A'.repeat(43)}`, 'a.b.c', 'ghr_\u0000', 'é'.repeat(100)]) {
    const { status, body } = await refreshApi(url, token);
    assert.deepEqual([status, body.code], [401, 'IDENT_UNAUTHENTICATED'], token);
  }
  for (const refreshToken of ['', 7, null, ['ghr_x'], 'x'.repeat(513)]) {
    const { status, body } = await callApi(url, 'POST', '/auth/refresh', {
      body: { refreshToken },
    });
    assert.deepEqual([status, body.code], [400, 'IDENT_VALIDATION']);
  }
  const text = await (await fetch(`${url}/metrics`)).text();
  assert.match(text, /auth_refresh_total\{result="success"\} [1-9]/);
  assert.match(text, /auth_refresh_total\{result="failure"\} (?:[5-9]|\d\d)/);
});

test('nothing in this file was an error of ours', () => {
  assert.deepEqual(
    world.logs.filter(({ level }) => level === 'error'),
    [],
  );
});

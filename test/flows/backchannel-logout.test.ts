import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { startConsumers } from '../../src/jobs.ts';
import { seedClient } from '../helpers/gatehouse.ts';
import { startLogoutReceiver, verifyLogoutToken } from '../helpers/logout-receiver.ts';
import { authorizationRequest, discover, exchange } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import {
  becomesTrue,
  createWorld,
  getJson,
  isDeadEverywhere,
  refresh,
  type SignedIn,
  signInForTokens,
  startTwin,
} from './support.ts';

const receiver = await startLogoutReceiver();
const settings = {
  BACKCHANNEL_LOGOUT_BACKOFF: '20',
  BACKCHANNEL_LOGOUT_ATTEMPTS: '5',
  OUTBOUND_ALLOWED_HOSTS: receiver.host,
};
const world = await createWorld({ settings });
const { url, deps, people } = world;
startConsumers(deps);

/** Milliseconds that a delivery with its pauses may take on a busy machine. */
const PATIENCE = 30_000;

const listening = (metadata: Record<string, unknown> = {}) =>
  seedClient(deps, people.tenantId, {
    metadata: { backchannel_logout_uri: receiver.url, ...metadata },
  });
const client = await listening();

const sidOf = ({ idToken }: Pick<SignedIn, 'idToken'>): string => String(decodeJwt(idToken).sid);

const rowsOf = (sid: string) =>
  deps.postgres.knex('backchannel_logouts').where({ session_id: sid }).orderBy('id');

const isSettled = (sid: string, count = 1) =>
  becomesTrue(async () => {
    const rows = await rowsOf(sid);
    return rows.length === count && rows.every(({ state }) => state !== 'pending');
  }, PATIENCE);

/** What has come in for a session, of all that came in. */
const receivedFor = (sid: string) =>
  receiver.received.filter(({ token }) => decodeJwt(token).sid === sid);

async function logOut(
  { agent, idToken }: Pick<SignedIn, 'agent' | 'idToken'>,
  answer: Record<string, string>,
) {
  const page = await agent.follow(
    `${url}/logout?${new URLSearchParams({ id_token_hint: idToken })}`,
  );
  return agent.submit(page, '/logout/confirm', answer);
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

test('discovery says that logouts are told, and by which session (Back-Channel Logout 1.0, 2.1)', async () => {
  const { body } = await getJson(`${url}/.well-known/openid-configuration`);
  assert.equal(body.backchannel_logout_supported, true);
  assert.equal(body.backchannel_logout_session_supported, true);
});

test('a logout reaches the client with a token that verifies (Back-Channel Logout 1.0, 2.4 to 2.6)', async () => {
  const signedIn = await signInForTokens(world, { client });
  const sid = sidOf(signedIn);
  await logOut(signedIn, { logout: 'yes' });
  assert.ok(await isSettled(sid));
  const [request, ...more] = receivedFor(sid);
  assert.ok(request);
  assert.deepEqual(more, [], 'told once');
  assert.equal(request.method, 'POST');
  assert.equal(request.contentType, 'application/x-www-form-urlencoded');
  const { payload, header } = await verifyLogoutToken(url, client.clientId, request.token);
  assert.equal(header.alg, 'RS256');
  assert.equal(payload.sub, people.user.id);
  assert.equal(payload.sid, sid);
  assert.deepEqual(payload.events, { [EVENT]: {} });
  assert.equal(payload.nonce, undefined, 'a logout token must not pass for an ID token');
  const life = Number(payload.exp) - Number(payload.iat);
  assert.ok(life > 0 && life <= 120, 'short-lived');
  const [row] = await rowsOf(sid);
  assert.equal(row.state, 'delivered');
  assert.equal(row.last_status, 200);
  assert.equal(row.attempts, 1);
  assert.equal(row.client_id, client.clientId);
  assert.equal(row.tenant_id, people.tenantId);
});

test('a client that is down for the first three tries gets its logout, each time with a token of its own', async () => {
  const signedIn = await signInForTokens(world, { client });
  const sid = sidOf(signedIn);
  receiver.answer(503, 500, 302);
  await logOut(signedIn, { logout: 'yes' });
  assert.ok(await isSettled(sid));
  const tokens = receivedFor(sid).map(({ token }) => token);
  assert.equal(tokens.length, 4);
  for (const token of tokens) await verifyLogoutToken(url, client.clientId, token);
  assert.equal(new Set(tokens.map((token) => decodeJwt(token).jti)).size, 4);
  const [row] = await rowsOf(sid);
  assert.deepEqual([row.state, row.attempts, row.last_status], ['delivered', 4, 200]);
});

test('tries end: a client that never answers well is given up and written down as failed', async () => {
  const signedIn = await signInForTokens(world, { client });
  const sid = sidOf(signedIn);
  receiver.answer(500, 500, 500, 500, 500, 500, 500);
  await logOut(signedIn, { logout: 'yes' });
  assert.ok(await isSettled(sid));
  receiver.answer();
  const [row] = await rowsOf(sid);
  assert.deepEqual([row.state, row.attempts, row.last_status], ['failed', 5, 500]);
  assert.equal(row.last_error, 'status');
});

test('400 is the last word of a client: it is not asked again (Back-Channel Logout 1.0, 2.8)', async () => {
  const signedIn = await signInForTokens(world, { client });
  const sid = sidOf(signedIn);
  receiver.answer(400);
  await logOut(signedIn, { logout: 'yes' });
  assert.ok(await isSettled(sid));
  const [row] = await rowsOf(sid);
  assert.deepEqual([row.state, row.attempts, row.last_status], ['failed', 1, 400]);
  assert.equal(receivedFor(sid).length, 1);
});

test('the logout page does not wait for a client that hangs', async () => {
  const signedIn = await signInForTokens(world, { client });
  const before = receiver.received.length;
  receiver.answer('hang');
  const { response } = await logOut(signedIn, { logout: 'yes' });
  assert.equal(response.status, 200);
  await receiver.waitFor(before + 1);
  const [row] = await rowsOf(sidOf(signedIn));
  assert.equal(row.state, 'pending', 'the page was there before the answer');
  assert.ok(await isSettled(sidOf(signedIn)), 'and the next try tells the client');
  assert.equal((await rowsOf(sidOf(signedIn)))[0].last_status, 200);
});

test('every client of the session is told, by the name it knows the person by, and no other client', async () => {
  const other = await listening({ id_token_signed_response_alg: 'ES256' });
  const silent = await seedClient(deps, people.tenantId);
  const signedIn = await signInForTokens(world, { client });
  for (const next of [other, silent]) {
    const configuration = await discover(url, next);
    const request = await authorizationRequest(configuration, next.redirectUri);
    const { url: end } = await signedIn.agent.follow(request.url);
    assert.ok(end.searchParams.has('code'));
  }
  const sid = sidOf(signedIn);
  await logOut(signedIn, { logout: 'yes' });
  assert.ok(await isSettled(sid, 2));
  const told = await Promise.all(
    receivedFor(sid).map(({ token }) => {
      const aud = String(decodeJwt(token).aud);
      return verifyLogoutToken(url, aud, token);
    }),
  );
  const algorithms = Object.fromEntries(
    told.map(({ payload, header }) => [payload.aud, header.alg]),
  );
  assert.deepEqual(algorithms, { [client.clientId]: 'RS256', [other.clientId]: 'ES256' });
});

test('a pairwise client is told by the subject that it knows (OpenID Connect Core 8.1)', async () => {
  const pairwise = await listening({ subject_type: 'pairwise' });
  const signedIn = await signInForTokens(world, { client: pairwise });
  const sid = sidOf(signedIn);
  await logOut(signedIn, { logout: 'yes' });
  assert.ok(await isSettled(sid));
  const token = receivedFor(sid)[0]?.token ?? '';
  const { payload } = await verifyLogoutToken(url, pairwise.clientId, token);
  assert.equal(payload.sub, decodeJwt(signedIn.idToken).sub);
  assert.notEqual(payload.sub, people.user.id);
});

test('whoever ends the session, the client is told: administrator, all sessions, refresh replay', async () => {
  const tenantId = people.tenantId;
  const userId = people.user.id;
  const ways: Record<string, (signedIn: SignedIn) => Promise<unknown>> = {
    administrator: (signedIn) =>
      deps.sessions.end({
        ...{ tenantId, userId, sessionId: sidOf(signedIn) },
        reason: 'ended_by_administrator',
      }),
    'password change': () => deps.sessions.endAllOf(userId, { reason: 'password_changed' }),
    suspension: () => deps.sessions.endAllOf(userId, { reason: 'user_suspended' }),
    deactivation: () => deps.sessions.endAllOf(userId, { reason: 'user_deactivated' }),
    replay: async ({ refreshToken }) => {
      for (let use = 0; use < 2; use += 1) await refresh(url, client, refreshToken);
    },
  };
  for (const [way, end] of Object.entries(ways)) {
    const signedIn = await signInForTokens(world, { client });
    await end(signedIn);
    assert.ok(await isSettled(sidOf(signedIn)), way);
    assert.equal(receivedFor(sidOf(signedIn)).length, 1, way);
    assert.ok(await isDeadEverywhere(url, client, signedIn.accessToken), way);
  }
});

test('"no" on the page of a client logs out of that client alone, and tells it', async () => {
  const other = await listening();
  const signedIn = await signInForTokens(world, { client });
  const configuration = await discover(url, other);
  const request = await authorizationRequest(configuration, other.redirectUri);
  await signedIn.agent.follow(request.url);
  const sid = sidOf(signedIn);
  await logOut(signedIn, {});
  assert.ok(await isSettled(sid));
  assert.deepEqual(
    (await rowsOf(sid)).map(({ client_id }) => client_id),
    [client.clientId],
  );
  const again = await authorizationRequest(configuration, other.redirectUri, { prompt: 'none' });
  const { url: end } = await signedIn.agent.follow(again.url);
  assert.ok(end.searchParams.has('code'), 'the session goes on');
});

test('a client whose tokens outlive the logout is told as well (Back-Channel Logout 1.0, 2.7)', async () => {
  const configuration = await discover(url, client);
  const request = await authorizationRequest(configuration, client.redirectUri, {
    scope: 'openid offline_access',
    prompt: 'consent',
  });
  const agent = createUserAgent(url);
  const { email, password } = people.user;
  const page = await agent.follow(request.url);
  const consent = await agent.submit(page, '/sign-in', { identifier: email, password });
  const { url: redirect } = await agent.submit(consent, '/consent', { decision: 'allow' });
  const tokens = await exchange(configuration, request, redirect);
  const idToken = tokens.id_token ?? '';
  await logOut({ agent, idToken }, { logout: 'yes' });
  assert.ok(await isSettled(sidOf({ idToken })));
  assert.equal(receivedFor(sidOf({ idToken })).length, 1);
  assert.equal((await refresh(url, client, tokens.refresh_token ?? '')).status, 200);
});

test('an address that is not public is refused, written down, and the page is well (CVE-2026-55671)', async () => {
  for (const uri of [
    'http://127.0.0.1:4999/logout',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]:4999/logout',
    'http://[::ffff:10.0.0.1]/logout',
  ]) {
    const target = await listening({ backchannel_logout_uri: uri });
    const signedIn = await signInForTokens(world, { client: target });
    const { response } = await logOut(signedIn, { logout: 'yes' });
    assert.equal(response.status, 200);
    assert.ok(await isSettled(sidOf(signedIn)));
    const [row] = await rowsOf(sidOf(signedIn));
    assert.deepEqual([row.state, row.last_error, row.attempts], ['failed', 'address_refused', 1]);
  }
});

test('a client that is gone or disabled when its turn comes is not told', async () => {
  const gone = await listening();
  const disabled = await listening();
  const before = receiver.received.length;
  for (const target of [gone, disabled]) {
    const signedIn = await signInForTokens(world, { client: target });
    if (target === gone) await deps.clients.delete(people.tenantId, gone.clientId);
    else {
      await deps.postgres
        .knex('clients')
        .where({ client_id: target.clientId })
        .update({ disabled_at: new Date() });
      // A change is seen a second later at most.
      assert.ok(
        await becomesTrue(async () => !(await deps.clients.find(target.clientId)), PATIENCE),
      );
    }
    const sessionId = sidOf(signedIn);
    const { tenantId } = people;
    const how = { tenantId, userId: people.user.id, sessionId, reason: 'ended_by_user' as const };
    await deps.sessions.end(how);
    assert.ok(await isSettled(sessionId));
    const [row] = await rowsOf(sessionId);
    assert.deepEqual([row.state, row.last_error], ['failed', 'no_receiver']);
  }
  assert.equal(receiver.received.length, before);
});

test('of two workers one tells the client, once', async () => {
  const twin = await startTwin(world);
  startConsumers(twin.deps);
  const sids = [];
  for (let i = 0; i < 10; i += 1) {
    const signedIn = await signInForTokens(world, { client });
    sids.push(sidOf(signedIn));
  }
  await deps.sessions.endAllOf(people.user.id, { reason: 'logout_all' });
  await Promise.all([deps.logouts.sweep(), twin.deps.logouts.sweep()]);
  for (const sid of sids) {
    assert.ok(await isSettled(sid));
    assert.equal(receivedFor(sid).length, 1);
  }
});

test('tries are counted by result', async () => {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  for (const result of ['delivered', 'retried', 'failed']) {
    assert.match(metrics, new RegExp(`auth_backchannel_logout_total\\{result="${result}"\\} \\d+`));
  }
});

test('no logout token is in the log', () => {
  const log = JSON.stringify(world.logs);
  for (const { token } of receiver.received) assert.ok(!log.includes(token));
});

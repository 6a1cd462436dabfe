import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedClient } from '../helpers/gatehouse.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import {
  becomesTrue,
  createWorld,
  eventsOf,
  isDeadEverywhere,
  refresh,
  signInForTokens,
  startTwin,
} from './support.ts';

const world = await createWorld();
const twin = await startTwin(world);
const { url, client, people, deps } = world;

test('a replayed refresh token ends its family, here and in a second process (RFC 9700 4.14.2)', async () => {
  const first = await signInForTokens(world);
  const second = await refresh(url, client, first.refreshToken);
  const newest = String(second.body.access_token);
  assert.ok(!(await isDeadEverywhere(twin.url, client, newest)));

  const replay = await refresh(url, client, first.refreshToken);
  assert.equal(replay.status, 400);
  assert.equal(replay.body.error, 'invalid_grant');

  const successor = await refresh(twin.url, client, String(second.body.refresh_token));
  assert.equal(successor.body.error, 'invalid_grant');
  for (const token of [first.accessToken, newest]) {
    assert.ok(await isDeadEverywhere(url, client, token), 'dead where the replay came in');
    const isDead = () => isDeadEverywhere(twin.url, client, token);
    assert.ok(await becomesTrue(isDead), 'dead in the second process within a second');
  }
});

test('a replay ends the whole session: the browser must sign in again, other clients are out', async () => {
  const other = await seedClient(deps, people.tenantId);
  const first = await signInForTokens(world);
  const configuration = await discover(url, other);
  const request = await authorizationRequest(configuration, other.redirectUri);
  const silent = await first.agent.follow(request.url);
  assert.ok(silent.url.searchParams.has('code'), 'single sign-on works before the replay');

  await refresh(url, client, first.refreshToken);
  await refresh(url, client, first.refreshToken);
  const again = await authorizationRequest(configuration, other.redirectUri, { prompt: 'none' });
  const after = await first.agent.follow(again.url);
  assert.equal(after.url.searchParams.get('error'), 'login_required');
});

test('a replay is reported once: session revoked, security incident, a line in the log', async () => {
  const before = (await eventsOf(deps)).length;
  const first = await signInForTokens(world);
  await refresh(url, client, first.refreshToken);
  for (let i = 0; i < 3; i += 1) await refresh(url, client, first.refreshToken);
  const events = (await eventsOf(deps)).slice(before);
  const revoked = events.filter(({ type }) => type === 'identity.session.revoked.v1');
  const incidents = events.filter(({ type }) => type === 'identity.user.security_incident.v1');
  assert.equal(revoked.length, 1);
  assert.equal(revoked[0]?.data.reason, 'refresh_replay');
  assert.equal(revoked[0]?.tenant_id, people.tenantId);
  assert.equal(incidents.length, 1);
  assert.deepEqual(incidents[0]?.data, {
    userId: people.user.id,
    kind: 'refresh_replay',
    clientId: client.clientId,
    sessionId: revoked[0]?.subject,
  });
  const lines = world.logs.filter((line) => line.event === 'security.refresh_replay_detected');
  assert.ok(lines.length > 0);
  assert.equal(lines.at(-1)?.level, 'warn');
  assert.ok(lines.every((line) => !JSON.stringify(line).includes(first.refreshToken)));
});

test('another session of the same person outlives the replay in this one', async () => {
  const mine = await signInForTokens(world);
  const replayed = await signInForTokens(world);
  await refresh(url, client, replayed.refreshToken);
  await refresh(url, client, replayed.refreshToken);
  assert.ok(!(await isDeadEverywhere(url, client, mine.accessToken)));
  assert.equal((await refresh(url, client, mine.refreshToken)).status, 200);
});

test('a token that was rotated out stays dead for a new process (CVE-2026-9802)', async () => {
  const first = await signInForTokens(world);
  assert.equal((await refresh(url, client, first.refreshToken)).status, 200);
  const restarted = await startTwin(world);
  const replay = await refresh(restarted.url, client, first.refreshToken);
  assert.equal(replay.body.error, 'invalid_grant');
});

test('refreshes are counted by result', async () => {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  assert.match(metrics, /auth_refresh_total\{result="success"\} \d+/);
  assert.match(metrics, /auth_refresh_total\{result="failure"\} \d+/);
  assert.match(metrics, /auth_session_revoked_total [1-9]/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { createFakeClock } from '../helpers/clock.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import {
  basic,
  bearer,
  createWorld,
  getJson,
  introspect,
  isDeadEverywhere,
  postForm,
  refresh,
  type SignedIn,
  signInForTokens,
  startTwin,
} from './support.ts';

/**
 * What is revoked at one replica is dead at the others, a second later at the
 * latest (ASVS 7.4.1). The clock stands still until it is moved by that second,
 * and every replica has seen the token alive just before.
 */

const SECOND = 1_000;
const clock = createFakeClock();

for (const format of ['jwt', 'opaque']) {
  const world = await createWorld({
    settings: { ACCESS_TOKEN_FORMAT: format },
    overrides: { clock },
  });
  const twin = await startTwin(world, { clock });
  const { client, deps, people } = world;
  const userId = people.user.id;
  const { tenantId } = people;

  /** Who the token is good for at a replica: introspection, userinfo, and the API where it takes it. */
  const answersAt = async (url: string, token: string) => {
    const [introspection, userinfo, me] = await Promise.all([
      introspect(url, client, token),
      getJson(`${url}/userinfo`, bearer(token)),
      getJson(`${url}/api/v1/me`, bearer(token)),
    ]);
    return [introspection.body.active, userinfo.status, me.status];
  };

  async function signIn(): Promise<SignedIn & { sid: string }> {
    const signedIn = await signInForTokens(world);
    const alive = [true, 200, format === 'jwt' ? 200 : 401];
    for (const { url } of [world, twin]) {
      assert.deepEqual(await answersAt(url, signedIn.accessToken), alive, 'alive at first');
    }
    return { ...signedIn, sid: String(decodeJwt(signedIn.idToken).sid) };
  }

  async function assertDead({ accessToken, refreshToken }: SignedIn): Promise<void> {
    clock.advance(SECOND);
    for (const { url } of [twin, world]) {
      assert.ok(await isDeadEverywhere(url, client, accessToken), url);
    }
    const refreshed = await refresh(twin.url, client, refreshToken);
    assert.equal(refreshed.status, 400);
    assert.equal(refreshed.body.error, 'invalid_grant');
  }

  const revokeAt = (url: string, token: string) =>
    postForm(`${url}/revoke`, { token }, basic(client));

  test(`${format}: an access token revoked at one replica is dead at the other (RFC 7009 2)`, async () => {
    const signedIn = await signIn();
    assert.equal((await revokeAt(world.url, signedIn.accessToken)).status, 200);
    await assertDead(signedIn);
  });

  test(`${format}: a refresh token revoked at one replica takes its access tokens along (RFC 7009 2.1)`, async () => {
    const signedIn = await signIn();
    assert.equal((await revokeAt(world.url, signedIn.refreshToken)).status, 200);
    await assertDead(signedIn);
  });

  test(`${format}: a session that an administrator ends is dead at the other replica (ASVS 7.4.5)`, async () => {
    const signedIn = await signIn();
    const how = { tenantId, userId, sessionId: signedIn.sid } as const;
    await deps.sessions.end({ ...how, reason: 'ended_by_administrator' });
    await assertDead(signedIn);
    const configuration = await discover(world.url, client);
    const request = await authorizationRequest(configuration, client.redirectUri, {
      prompt: 'none',
    });
    const { url } = await signedIn.agent.follow(request.url);
    assert.equal(url.searchParams.get('error'), 'login_required');
  });

  test(`${format}: a password change ends all other sessions at the other replica, and not one's own (ASVS 7.4.3)`, async () => {
    const mine = await signIn();
    const others = [await signIn(), await signIn()];
    await deps.sessions.endAllOf(userId, { except: mine.sid, reason: 'password_changed' });
    for (const other of others) await assertDead(other);
    const [active, userinfo] = await answersAt(twin.url, mine.accessToken);
    assert.deepEqual([active, userinfo], [true, 200]);
  });

  test(`${format}: a user who is deactivated is out at the other replica (ASVS 7.4.2)`, async () => {
    const signedIn = await signIn();
    await deps.sessions.endAllOf(userId, { reason: 'user_deactivated' });
    await assertDead(signedIn);
  });

  test(`${format}: a refresh replay at one replica ends the tokens at the other (RFC 9700 4.14.2)`, async () => {
    const signedIn = await signIn();
    assert.equal((await refresh(world.url, client, signedIn.refreshToken)).status, 200);
    assert.equal((await refresh(twin.url, client, signedIn.refreshToken)).status, 400);
    await assertDead(signedIn);
  });

  test(`${format}: a logout at one replica ends the tokens at the other`, async () => {
    const signedIn = await signIn();
    const query = new URLSearchParams({ id_token_hint: signedIn.idToken });
    const page = await signedIn.agent.follow(`${world.url}/logout?${query}`);
    await signedIn.agent.submit(page, '/logout/confirm', { logout: 'yes' });
    await assertDead(signedIn);
  });
}

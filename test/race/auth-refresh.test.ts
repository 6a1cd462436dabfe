import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ApiTokens, CHEAP_HASHES, callApi, login, refreshApi } from '../flows/auth-support.ts';
import { addressesIn, TRUSTING } from '../flows/sign-in-support.ts';
import { type Answer, eventsOf, isDeadEverywhere, startRacers } from '../flows/support.ts';

/**
 * Tokens of the first-party API under fire: two processes on one database and
 * Redis, each with a store that answers five milliseconds late.
 */

const PARALLEL = 50;
const ROUNDS = 3;

/** Rounds of a refresh against a sign-out, each way and between the processes. */
const DUELS = 20;

const { world, twin } = await startRacers({ ...CHEAP_HASHES, ...TRUSTING });
const { client, deps } = world;
const newAddress = addressesIn('203.0.113');
const signIn = () => login(world, { 'x-forwarded-for': newAddress() });
const instances = [world.url, twin.url];
const instance = (index: number): string => instances[index % 2] ?? world.url;

const countsOf = (answers: Answer[]) =>
  Object.fromEntries(
    Object.entries(Object.groupBy(answers, ({ status }) => String(status))).map(([key, group]) => [
      key,
      group?.length,
    ]),
  );

const eventsSince = async (count: number, type: string) =>
  (await eventsOf(deps)).slice(count).filter((event) => event.type === type);

for (let round = 1; round <= ROUNDS; round += 1) {
  test(`of ${PARALLEL} refreshes of one token at once exactly one succeeds, round ${round} (RFC 9700 2.2.2)`, async () => {
    const { refreshToken } = await signIn();
    const before = (await eventsOf(deps)).length;
    const answers = await Promise.all(
      Array.from({ length: PARALLEL }, (_, index) => refreshApi(instance(index), refreshToken)),
    );
    assert.deepEqual(countsOf(answers), { 200: 1, 401: PARALLEL - 1 });
    const codes = new Set(answers.map(({ body }) => body.code).filter(Boolean));
    assert.ok(codes.has('IDENT_REFRESH_REPLAY'));
    codes.delete('IDENT_REFRESH_REPLAY');
    // Whoever comes after the session was ended for it finds no such token any more.
    codes.delete('IDENT_UNAUTHENTICATED');
    assert.deepEqual([...codes], []);
    const winner = answers.find(({ status }) => status === 200);
    assert.ok(await isDeadEverywhere(twin.url, client, String(winner?.body.accessToken)));
    assert.equal((await refreshApi(twin.url, String(winner?.body.refreshToken))).status, 401);
    assert.equal((await eventsSince(before, 'identity.session.revoked.v1')).length, 1);
    assert.equal((await eventsSince(before, 'identity.user.security_incident.v1')).length, 1);
  });
}

/** A sign-out against a refresh of the same session, begun in either order. */
async function duel(index: number, path: '/auth/logout' | '/auth/logout-all'): Promise<void> {
  const tokens: ApiTokens = await signIn();
  const signOut = () => callApi(instance(index), 'POST', path, { token: tokens.accessToken });
  const refresh = () => refreshApi(instance(index >> 1), tokens.refreshToken);
  const begun = index % 3 === 0 ? [refresh(), signOut()] : [signOut(), refresh()].reverse();
  const [refreshed, signedOut] = (await Promise.all(begun)) as [Answer, Answer];
  assert.equal(signedOut.status, 204);
  if (refreshed.status === 200) {
    const { accessToken, refreshToken } = refreshed.body as unknown as ApiTokens;
    assert.ok(await isDeadEverywhere(world.url, client, accessToken), 'the new access token');
    assert.equal((await refreshApi(twin.url, refreshToken)).status, 401, 'the new refresh token');
  } else {
    assert.deepEqual([refreshed.status, refreshed.body.code], [401, 'IDENT_UNAUTHENTICATED']);
  }
  assert.ok(await isDeadEverywhere(twin.url, client, tokens.accessToken));
}

for (const path of ['/auth/logout', '/auth/logout-all'] as const) {
  test(`a refresh and ${path} at once end revoked, and nobody is called a thief (${DUELS} rounds)`, async () => {
    const before = (await eventsOf(deps)).length;
    for (let index = 0; index < DUELS; index += 1) await duel(index, path);
    assert.deepEqual(await eventsSince(before, 'identity.user.security_incident.v1'), []);
    const revoked = await eventsSince(before, 'identity.session.revoked.v1');
    assert.equal(revoked.length, DUELS);
    const { rows } = await deps.postgres.pool.query(
      `SELECT count(*)::int AS live FROM sessions WHERE ended_at IS NULL AND user_id = $1`,
      [world.people.user.id],
    );
    assert.equal(rows[0].live, 0);
  });
}

test('nothing in these races was an error of ours', () => {
  for (const { logs } of [world, twin]) {
    assert.deepEqual(
      logs.filter(({ level }) => level === 'error'),
      [],
    );
  }
});

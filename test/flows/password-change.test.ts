import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { seedClient } from '../helpers/gatehouse.ts';
import { callApi } from './auth-support.ts';
import { assertProblem, createProofWorld, post } from './proof-support.ts';
import { eventsOf, isDeadEverywhere, signInForTokens } from './support.ts';

const world = await createProofWorld({ TRUSTED_PROXIES: '127.0.0.1' });
const { deps, mailbox, people } = world;

const CHANGE = '/auth/password/change';
const FINE = 'quiet lanterns over water';
const FINER = 'slow rivers under bridges';
/** A hash of another system costs next to nothing to verify. */
const IMPORTED = { hash: '$P$9IQRaTwmfeRo7ud9Fh4E2PdI0S3r.L0', password: 'test12345' };

interface Tokens {
  accessToken: string;
  refreshToken: string;
}

async function login(identifier: string, password: string): Promise<Tokens> {
  const answer = await post(world, '/auth/login', { identifier, password });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body as unknown as Tokens;
}

const change = (
  token: string | undefined,
  currentPassword: string,
  newPassword: string,
  from = '192.0.2.1',
) =>
  callApi(world.url, 'POST', CHANGE, {
    body: { currentPassword, newPassword },
    token,
    headers: { 'x-forwarded-for': from },
  });

let count = 0;
async function addPerson() {
  const name = `changer-${count++}`;
  const email = `${name}@lotus.example`;
  const user = await deps.users.create(
    { tenantId: people.tenantId, email, username: name, emailVerified: true },
    { hash: IMPORTED.hash },
  );
  return { id: user.id, email, name };
}

suite('a change of the password', () => {
  test('ASVS 6.2.2, 6.2.3, 7.4.3: it asks for the present one, ends all other sessions and keeps this one', async () => {
    const { user } = people;
    const own = await login(user.email, user.password);
    const other = await login(user.email, user.password);
    const byPages = await signInForTokens(world);
    const answer = await change(own.accessToken, user.password, FINE);
    assert.equal(answer.status, 204, JSON.stringify(answer.body));

    const me = await callApi(world.url, 'GET', '/me', { token: own.accessToken });
    assert.equal(me.status, 200);
    const refreshed = await post(world, '/auth/refresh', { refreshToken: own.refreshToken });
    assert.equal(refreshed.status, 200);
    for (const { accessToken } of [other, byPages]) {
      assert.ok(await isDeadEverywhere(world.url, world.client, accessToken));
    }
    const dead = await post(world, '/auth/refresh', { refreshToken: other.refreshToken });
    assert.equal(dead.status, 401);
    assert.equal((await deps.sessions.list(people.tenantId, user.id)).length, 1);

    const old = { identifier: user.email, password: user.password };
    assertProblem(await post(world, '/auth/login', old), 401, 'IDENT_INVALID_CREDENTIALS');
    await login(user.email, FINE);
    const [event] = await eventsOf(deps, 'identity.user.password_changed.v1');
    assert.deepEqual(event?.data, { userId: user.id, by: 'user' });
    const reasons = (await eventsOf(deps, 'identity.session.revoked.v1')).map(
      ({ data }) => data.reason,
    );
    assert.deepEqual(new Set(reasons), new Set(['password_changed']));
    await deps.outbox.drain();
    const notice = await mailbox.take(user.email, /password was changed/i);
    assert.match(notice.subject, /password was changed/i);
    assert.ok(!JSON.stringify([world.logs, notice.raw]).includes(FINE));
  });

  test('a wrong present password changes nothing and counts as a failed sign-in', async () => {
    const person = await addPerson();
    const { accessToken } = await login(person.name, IMPORTED.password);
    for (let at = 0; at < 6; at += 1) {
      const refused = await change(accessToken, 'wrong', FINE, '192.0.2.77');
      assertProblem(refused, 401, 'IDENT_INVALID_CREDENTIALS');
    }
    const seventh = await change(accessToken, IMPORTED.password, FINE, '192.0.2.77');
    assertProblem(seventh, 429, 'IDENT_RATE_LIMITED');
    assert.ok(Number(seventh.headers.get('retry-after')) > 0);
    for (let at = 0; at < 4; at += 1) await change(accessToken, 'wrong', FINE, '192.0.2.78');
    const locked = await change(accessToken, IMPORTED.password, FINE, '192.0.2.79');
    assertProblem(locked, 423, 'IDENT_LOCKED');
    const body = { identifier: person.name, password: IMPORTED.password };
    assertProblem(await post(world, '/auth/login', body), 423, 'IDENT_LOCKED');
    const changes = (await eventsOf(deps, 'identity.user.password_changed.v1')).filter(
      ({ subject }) => subject === person.id,
    );
    assert.deepEqual(changes, []);
  });

  test('a new password that may not be chosen is refused with the field and the reason', async () => {
    const person = await addPerson();
    const { accessToken } = await login(person.name, IMPORTED.password);
    for (const [password, reason] of [
      ['short', 'too_short'],
      ['Passw0rd', 'common'],
      [`${person.email}1`, 'context'],
    ] as const) {
      const refused = await change(accessToken, IMPORTED.password, password);
      assertProblem(refused, 400, 'IDENT_WEAK_PASSWORD');
      assert.equal(refused.body.reason, reason);
      assert.equal((refused.body.errors as { path: string }[])[0]?.path, 'newPassword');
    }
    assert.equal((await change(accessToken, IMPORTED.password, FINE)).status, 204);
  });

  test('of two changes at once by the same present password one is made', async () => {
    const person = await addPerson();
    const own = await login(person.name, IMPORTED.password);
    world.clock.advance(1_000);
    const answers = await Promise.all(
      [FINE, FINER].map((password) => change(own.accessToken, IMPORTED.password, password)),
    );
    const statuses = answers.map(({ status }) => status);
    assert.deepEqual([...statuses].sort(), [204, 401]);
    await login(person.name, statuses[0] === 204 ? FINE : FINER);
  });

  test('nobody without a token, nor an application of others, changes a password', async () => {
    assertProblem(await change(undefined, 'x', FINE), 401, 'IDENT_UNAUTHENTICATED');
    const third = await seedClient(deps, people.tenantId);
    const tokens = await signInForTokens(world, {
      client: third,
      credentials: { identifier: people.user.email, password: FINE },
    });
    await deps.postgres
      .knex('clients')
      .where({ client_id: third.clientId })
      .update({ is_first_party: false });
    // What is kept of clients in memory is a second old at most.
    world.clock.advance(2_000);
    assertProblem(await change(tokens.accessToken, FINE, FINER), 403, 'IDENT_FORBIDDEN');
  });
});

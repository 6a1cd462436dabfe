import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeJwt } from 'jose';
import { createFakeClock } from '../helpers/clock.ts';
import { seedClient, type TestClient } from '../helpers/gatehouse.ts';
import { createKeys, dpopProof } from '../helpers/keys.ts';
import { withLatency } from '../helpers/latency-adapter.ts';
import {
  type Answer,
  basic,
  createWorld,
  eventsOf,
  introspect,
  isDeadEverywhere,
  obtainCode,
  postForm,
  refresh,
  signInForTokens,
  startTwin,
} from './support.ts';

/** Two processes, each with a store that answers late, so that reads and writes interleave. */
const clock = createFakeClock();
const overrides = {
  clock,
  wrapAdapter: (factory: Parameters<typeof withLatency>[0]) => withLatency(factory, 5),
};
const world = await createWorld({ overrides });
const twin = await startTwin(world, overrides);
const { url, deps, people } = world;

const GRACE = 10;
const PARALLEL = 100;

const create = (metadata: Record<string, unknown> = {}): Promise<TestClient> =>
  seedClient(deps, people.tenantId, {
    metadata: { refresh_token_reuse_grace: GRACE, ...metadata },
  });
const client = await create();

const successorOf = ({ status, body }: Answer): string => {
  assert.equal(status, 200, JSON.stringify(body));
  return String(body.refresh_token);
};

/** Asserts that the family of a refresh token is dead, and that one incident was told. */
async function assertRevoked(answer: Answer, others: string[], before: number): Promise<void> {
  assert.equal(answer.status, 400);
  assert.equal(answer.body.error, 'invalid_grant');
  for (const token of others) {
    assert.equal((await refresh(twin.url, client, token)).body.error, 'invalid_grant');
  }
  const types = (await eventsOf(deps)).slice(before).map(({ type }) => type);
  assert.equal(types.filter((type) => type === 'identity.user.security_incident.v1').length, 1);
  assert.equal(types.filter((type) => type === 'identity.session.revoked.v1').length, 1);
}

test('within the grace a repeated use gives the same successor, and fresh tokens of the same grant', async () => {
  const signedIn = await signInForTokens(world, { client });
  const first = await refresh(url, client, signedIn.refreshToken);
  const again = await refresh(twin.url, client, signedIn.refreshToken);
  assert.equal(successorOf(again), successorOf(first));
  assert.notEqual(again.body.access_token, first.body.access_token);
  const [one, two] = [first, again].map(({ body }) => decodeJwt(String(body.access_token)));
  for (const claim of ['sub', 'sid', 'tid', 'scope', 'aud', 'client_id', 'auth_time']) {
    assert.deepEqual(two?.[claim], one?.[claim], claim);
  }
  assert.ok(again.body.id_token);
  for (const { body } of [first, again]) {
    assert.equal(
      (await introspect(url, client, String(body.access_token))).body.active,
      true,
      'neither use costs the other its token',
    );
  }
  assert.equal((await refresh(url, client, successorOf(first))).status, 200);
});

test(`of ${PARALLEL} uses at once all get one and the same successor, and the family lives on`, async () => {
  const { refreshToken, accessToken } = await signInForTokens(world, { client });
  const before = (await eventsOf(deps)).length;
  const answers = await Promise.all(
    Array.from({ length: PARALLEL }, (_, index) =>
      refresh(index % 2 ? url : twin.url, client, refreshToken),
    ),
  );
  const successors = new Set(answers.map(successorOf));
  assert.equal(successors.size, 1);
  const [successor = ''] = successors;
  const live = await deps.postgres
    .knex('oidc_refresh_tokens')
    .where({ session_id: decodeJwt(accessToken).sid })
    .whereNull('consumed_at');
  assert.equal(live.length, 1, 'no other token came of it');
  assert.equal((await refresh(url, client, successor)).status, 200);
  assert.deepEqual((await eventsOf(deps)).slice(before), []);
});

test('after the grace a repeated use is a replay: the family ends (RFC 9700 4.14.2)', async () => {
  const { refreshToken } = await signInForTokens(world, { client });
  const before = (await eventsOf(deps)).length;
  const first = await refresh(url, client, refreshToken);
  clock.advance(GRACE * 1000 + 1);
  const late = await refresh(url, client, refreshToken);
  await assertRevoked(late, [successorOf(first)], before);
  assert.ok(await isDeadEverywhere(url, client, String(first.body.access_token)));
});

test('the grace begins with the first use and is not prolonged by repeated ones', async () => {
  const { refreshToken } = await signInForTokens(world, { client });
  const before = (await eventsOf(deps)).length;
  await refresh(url, client, refreshToken);
  clock.advance(GRACE * 600);
  const again = await refresh(url, client, refreshToken);
  assert.equal(again.status, 200);
  clock.advance(GRACE * 600);
  await assertRevoked(
    await refresh(url, client, refreshToken),
    [String(again.body.refresh_token)],
    before,
  );
});

test('a client without a grace has none: the default (RFC 9700 2.2.2)', async () => {
  const strict = await create({ refresh_token_reuse_grace: 0 });
  const { refreshToken } = await signInForTokens(world, { client: strict });
  const first = await refresh(url, strict, refreshToken);
  assert.equal((await refresh(url, strict, refreshToken)).body.error, 'invalid_grant');
  const successor = await refresh(url, strict, successorOf(first));
  assert.equal(successor.body.error, 'invalid_grant');
});

test('taking the grace from a client takes effect within a second', async () => {
  const loser = await create();
  const { refreshToken } = await signInForTokens(world, { client: loser });
  assert.equal((await refresh(url, loser, refreshToken)).status, 200);
  await deps.clients.update({
    tenantId: people.tenantId,
    clientId: loser.clientId,
    metadata: { refresh_token_reuse_grace: 0 },
  });
  clock.advance(1_001);
  const replay = await refresh(twin.url, loser, refreshToken);
  assert.equal(replay.body.error, 'invalid_grant');
});

test('within the grace another client still gets nothing with the token', async () => {
  const other = await create();
  const { refreshToken } = await signInForTokens(world, { client });
  const first = await refresh(url, client, refreshToken);
  const stolen = await refresh(url, other, refreshToken);
  assert.equal(stolen.status, 400);
  assert.equal(stolen.body.error, 'invalid_grant');
  assert.ok(!JSON.stringify(stolen.body).includes(successorOf(first)));
  const again = await refresh(url, client, refreshToken);
  assert.equal(successorOf(again), successorOf(first));
});

test('a bound token gives its successor to its own key only, in its grace as well (RFC 9449 5)', async () => {
  const app = await create({
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  });
  const [own, thief] = await Promise.all([createKeys('ES256'), createKeys('ES256')]);
  const ask = async (form: Record<string, string>, keys = own) =>
    postForm(
      `${url}/token`,
      { ...form, client_id: app.clientId },
      { dpop: await dpopProof(keys, { method: 'POST', url: `${url}/token` }) },
    );
  const { form } = await obtainCode(world, { client: app });
  const { body } = await ask(form);
  const again = { grant_type: 'refresh_token', refresh_token: String(body.refresh_token) };
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(again)));
  assert.equal(new Set(answers.map(successorOf)).size, 1);
  const stolen = await ask(again, thief);
  assert.equal(stolen.status, 400);
  assert.equal(stolen.body.error, 'invalid_grant');
  assert.equal(successorOf(await ask(again)), successorOf(answers[0] as Answer));
});

test('a family that was revoked gives no successor, in its grace or not', async () => {
  const signedIn = await signInForTokens(world, { client });
  const first = await refresh(url, client, signedIn.refreshToken);
  const form = { token: successorOf(first) };
  assert.equal((await postForm(`${url}/revoke`, form, basic(client))).status, 200);
  const again = await refresh(url, client, signedIn.refreshToken);
  assert.equal(again.body.error, 'invalid_grant');
});

test('to introspection a used token is inactive, in its grace as well (RFC 7662 2.2)', async () => {
  const { refreshToken } = await signInForTokens(world, { client });
  await refresh(url, client, refreshToken);
  assert.equal((await introspect(url, client, refreshToken)).body.active, false);
  assert.equal((await refresh(url, client, refreshToken)).status, 200);
});

test('a repeated use may ask for less, and for no more than was granted', async () => {
  const { refreshToken } = await signInForTokens(world, { client });
  const first = await refresh(url, client, refreshToken);
  const less = await refresh(url, client, refreshToken, { scope: 'openid' });
  assert.equal(successorOf(less), successorOf(first));
  assert.equal(less.body.scope, 'openid');
  const more = await refresh(url, client, refreshToken, { scope: 'openid phone' });
  assert.equal(more.body.error, 'invalid_scope');
  assert.equal((await refresh(url, client, successorOf(first))).status, 200);
});

test('the successor’s bearer value is nowhere at rest, and its ciphertext is purged after the grace', async () => {
  const { refreshToken } = await signInForTokens(world, { client });
  const successor = successorOf(await refresh(url, client, refreshToken));
  const { knex } = deps.postgres;
  const rows = await knex('oidc_refresh_successors');
  assert.ok(rows.length > 0);
  for (const row of rows) {
    const text = Buffer.from(row.ciphertext);
    for (const bearer of [refreshToken, successor]) assert.ok(!text.includes(bearer));
    // The server's own key does not open it: only the used token does.
    assert.throws(() => deps.sealer.open(row.ciphertext, row.id_hash.toString('hex')));
  }
  clock.advance(GRACE * 1000 + 1);
  await deps.purgeExpired();
  assert.deepEqual(await knex('oidc_refresh_successors'), []);
});

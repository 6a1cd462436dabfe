import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeProtectedHeader } from 'jose';
import { parseConfig } from '../../src/config.ts';
import { keyPolicy } from '../../src/oidc/keys/policy.ts';
import type { KeyRow } from '../../src/oidc/keys/repository.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { testEnvironment } from '../helpers/gatehouse.ts';
import {
  basic,
  bearer,
  becomesTrue,
  createWorld,
  getJson,
  introspect,
  postForm,
  signInForTokens,
  startTwin,
  type World,
} from './support.ts';

const DAY = 86_400_000;

/** Installations of these tests: the interval is 90 days and the JWKS may be kept for an hour. */
async function createAged(settings: Record<string, string> = {}) {
  const clock = createFakeClock();
  const world = await createWorld({ settings, overrides: { clock } });
  return { ...world, clock };
}

const rowsOf = ({ deps }: Pick<World, 'deps'>, alg = 'RS256'): Promise<KeyRow[]> =>
  deps.postgres.knex('signing_keys').where({ alg }).orderBy('created_at');

const statesOf = async (world: Pick<World, 'deps'>, alg?: string): Promise<string[]> =>
  (await rowsOf(world, alg)).map(({ state }) => state);

async function publishedKids({ url, deps }: Pick<World, 'url' | 'deps'>): Promise<string[]> {
  await deps.engine.refresh();
  const { body } = await getJson(`${url}/.well-known/jwks.json`);
  return (body.keys as { kid: string }[]).map(({ kid }) => kid);
}

async function issue({ url, client }: Pick<World, 'url' | 'client'>) {
  const { status, body } = await postForm(
    `${url}/token`,
    { grant_type: 'client_credentials' },
    basic(client),
  );
  assert.equal(status, 200, JSON.stringify(body));
  const token = String(body.access_token);
  return { token, kid: decodeProtectedHeader(token).kid ?? '' };
}

const rotatedEvents = async ({ deps }: Pick<World, 'deps'>) =>
  (
    await deps.postgres
      .knex('outbox_events')
      .where({ type: 'identity.jwks.rotated.v1' })
      .orderBy('seq')
  ).map(({ data }) => data as { alg: string; kid: string; previousKid: string; reason: string });

async function keyAge({ url }: Pick<World, 'url'>): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(/^auth_key_age_seconds (\S+)$/m.exec(text)?.[1]);
}

test('a key is published a day before it signs, signs for 90 days, is published for 7 more', async () => {
  const world = await createAged();
  const { clock, deps } = world;
  const first = await issue(world);
  clock.advance(88 * DAY);
  assert.equal(await deps.keyRotation.tick(), 0, 'nothing is due');
  assert.ok((await keyAge(world)) >= (88 * DAY) / 1000);

  clock.advance(DAY);
  assert.equal(await deps.keyRotation.tick(), 3, 'one for each algorithm');
  for (const alg of ['RS256', 'ES256', 'EdDSA']) {
    assert.deepEqual(await statesOf(world, alg), ['current', 'next']);
  }
  const next = (await rowsOf(world))[1]?.kid ?? '';
  assert.ok((await publishedKids(world)).includes(next));
  assert.equal((await issue(world)).kid, first.kid, 'published, it does not sign yet');
  assert.equal(await deps.keyRotation.tick(), 0);

  clock.advance(DAY);
  // Three signing keys, and a new secret each for cookies and forms.
  assert.equal(await deps.keyRotation.tick(), 5);
  await deps.engine.refresh();
  const second = await issue(world);
  assert.equal(second.kid, next);
  assert.ok((await publishedKids(world)).includes(first.kid));
  assert.equal((await introspect(world.url, world.client, first.token)).body.active, true);
  assert.ok((await keyAge(world)) < 60, 'the age is that of the new key');

  clock.advance(7 * DAY - 1_000);
  assert.equal(await deps.keyRotation.tick(), 2, 'only the spent secrets go');
  assert.ok((await publishedKids(world)).includes(first.kid));
  clock.advance(1_000);
  assert.equal(await deps.keyRotation.tick(), 3);
  assert.ok(!(await publishedKids(world)).includes(first.kid));
  const [gone] = await rowsOf(world);
  assert.equal(gone?.kid, first.kid, 'the row stays for the audit');
  assert.equal(gone?.state, 'gone');
  assert.equal(gone?.private_sealed, null, 'its private part does not');
  assert.ok(gone?.gone_at && gone.retired_at && gone.activated_at);
  assert.equal((await introspect(world.url, world.client, first.token)).body.active, false);
});

test('each rotation is told once, with the change: identity.jwks.rotated.v1', async () => {
  const world = await createAged();
  const [before] = await rowsOf(world, 'ES256');
  world.clock.advance(90 * DAY);
  await world.deps.keyRotation.tick();
  assert.deepEqual(await rotatedEvents(world), [], 'publication is no rotation');
  world.clock.advance(DAY);
  await world.deps.keyRotation.tick();
  const events = await rotatedEvents(world);
  assert.deepEqual(events.map(({ alg }) => alg).sort(), ['ES256', 'EdDSA', 'RS256']);
  const [, after] = await rowsOf(world, 'ES256');
  assert.deepEqual(
    events.find(({ alg }) => alg === 'ES256'),
    { alg: 'ES256', kid: after?.kid, previousKid: before?.kid, reason: 'scheduled' },
  );
});

test('replicas that rotate at the same moment rotate once', async () => {
  const world = await createAged();
  const twin = await startTwin(world, { clock: world.clock });
  const tickAll = async () => {
    const work = Array.from({ length: 4 }, (_, i) =>
      (i % 2 ? world : twin).deps.keyRotation.tick(),
    );
    return (await Promise.all(work)).reduce((sum, steps) => sum + steps, 0);
  };
  world.clock.advance(89 * DAY);
  assert.equal(await tickAll(), 3);
  world.clock.advance(DAY);
  assert.equal(await tickAll(), 5);
  assert.deepEqual(await statesOf(world), ['retiring', 'current']);
  assert.equal((await rotatedEvents(world)).length, 3);
  const secrets = await world.deps.postgres.knex('server_secrets').where({ purpose: 'cookies' });
  assert.equal(secrets.length, 2);
});

test('after a year without a worker, a key still is published for longer than a JWKS is kept', async () => {
  const world = await createAged();
  const first = await issue(world);
  world.clock.advance(365 * DAY);
  await world.deps.keyRotation.tick();
  assert.deepEqual(await statesOf(world), ['current', 'next']);
  world.clock.advance(3_600_000);
  await world.deps.keyRotation.tick();
  assert.deepEqual(await statesOf(world), ['current', 'next'], 'an hour is not yet enough');
  await world.deps.engine.refresh();
  assert.equal((await issue(world)).kid, first.kid);
  world.clock.advance(10_000);
  await world.deps.keyRotation.tick();
  assert.deepEqual(await statesOf(world), ['retiring', 'current']);
});

test('with an interval of 0 no key is replaced by itself, and retired ones still go', async () => {
  const world = await createAged({ KEY_ROTATION_INTERVAL: '0' });
  world.clock.advance(1_000 * DAY);
  assert.equal(await world.deps.keyRotation.tick(), 0);
  const next = await world.deps.keyRotation.publish('RS256');
  await world.deps.keyRotation.promote(next.kid, 'requested');
  world.clock.advance(7 * DAY);
  assert.equal(await world.deps.keyRotation.tick(), 1);
  assert.deepEqual(await statesOf(world), ['gone', 'current']);
});

test('a key stays published for two lives of the longest token, however short the setting', async () => {
  const policyOf = async (settings: Record<string, string>) =>
    keyPolicy(
      parseConfig(
        await testEnvironment({ DATABASE_URL: 'postgres://localhost/none', ...settings }),
      ),
    );
  // Registrations may ask for tokens of a day.
  assert.equal((await policyOf({ KEY_RETIREMENT: '60' })).retirement, 2 * 86_400);
  const long = await policyOf({ KEY_RETIREMENT: '60', ID_TOKEN_TTL: '100000' });
  assert.equal(long.retirement, 200_000);
  assert.equal((await policyOf({})).retirement, 7 * 86_400);
  const short = await policyOf({ JWKS_MAX_AGE: '60', KEY_ROTATION_INTERVAL: '600' });
  assert.ok(short.lead > 60 && short.ahead >= short.lead && short.ahead < 600);
  await assert.rejects(policyOf({ KEY_ROTATION_INTERVAL: '3600' }), /at least twice JWKS_MAX_AGE/);
});

test('JWKS_MAX_AGE is what Cache-Control says', async () => {
  const { url } = await createWorld({ settings: { JWKS_MAX_AGE: '7' } });
  const { headers } = await getJson(`${url}/.well-known/jwks.json`);
  assert.equal(headers.get('cache-control'), 'public, max-age=7');
});

test('every replica follows a change by itself', async () => {
  const world = await createAged();
  const twin = await startTwin(world, { clock: world.clock });
  const { kid } = await world.deps.keyRotation.publish('RS256');
  for (const { url } of [world, twin]) {
    const isThere = async () => {
      const { body } = await getJson(`${url}/jw-certs`);
      return (body.keys as { kid: string }[]).some((key) => key.kid === kid);
    };
    assert.ok(await becomesTrue(isThere, 10_000));
  }
  await world.deps.keyRotation.promote(kid, 'requested');
  for (const { url } of [world, twin]) {
    const signs = async () => (await issue({ url, client: world.client })).kid === kid;
    assert.ok(await becomesTrue(signs, 10_000));
  }
  const { token } = await issue({ url: twin.url, client: world.client });
  assert.equal((await introspect(world.url, world.client, token)).body.active, true);
});

test('a revoked key is gone at once: its successor signs, its tokens are refused', async () => {
  const world = await createAged();
  const { accessToken } = await signInForTokens(world);
  const kid = decodeProtectedHeader(accessToken).kid ?? '';
  const signing = await world.deps.keyRotation.revoke(kid);
  await world.deps.engine.refresh();
  assert.ok(!(await publishedKids(world)).includes(kid));
  assert.equal((await introspect(world.url, world.client, accessToken)).body.active, false);
  assert.equal((await getJson(`${world.url}/api/v1/me`, bearer(accessToken))).status, 401);
  assert.equal((await getJson(`${world.url}/userinfo`, bearer(accessToken))).status, 401);
  assert.equal((await issue(world)).kid, signing);
  const [row] = await rowsOf(world);
  assert.equal(row?.private_sealed, null);
  assert.deepEqual(await rotatedEvents(world), [
    { alg: 'RS256', kid: signing, previousKid: kid, reason: 'revoked' },
  ]);
  assert.equal(await world.deps.keyRotation.revoke(kid), signing, 'twice is once');
  assert.equal((await rotatedEvents(world)).length, 1);
  await assert.rejects(world.deps.keyRotation.promote(kid, 'requested'), /is gone, not next/);
});

test('where a next key is published, it takes over from the revoked one', async () => {
  const world = await createAged();
  const { kid: old } = await issue(world);
  const next = await world.deps.keyRotation.publish('RS256');
  assert.equal((await world.deps.keyRotation.publish('RS256')).kid, next.kid, 'one at a time');
  assert.equal(await world.deps.keyRotation.revoke(old), next.kid);
  const other = await world.deps.keyRotation.publish('RS256');
  assert.equal(await world.deps.keyRotation.revoke(other.kid), next.kid, 'the current one stays');
  assert.deepEqual(await statesOf(world), ['gone', 'current', 'gone']);
});

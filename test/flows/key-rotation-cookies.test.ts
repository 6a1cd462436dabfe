import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../helpers/clock.ts';
import { authorizationRequest, discover } from '../helpers/openid.ts';
import { createUserAgent } from '../helpers/user-agent.ts';
import { becomesTrue, createWorld, signInForTokens, startTwin, type World } from './support.ts';

/** Seconds; short of the life of an interaction, so that one lives through a rotation. */
const INTERVAL = 1_800;
const DAY = 86_400;

async function createAged() {
  const clock = createFakeClock();
  const world = await createWorld({
    settings: { KEY_ROTATION_INTERVAL: String(INTERVAL), JWKS_MAX_AGE: '60' },
    overrides: { clock },
  });
  const advance = (seconds: number) => clock.advance(seconds * 1_000);
  return { ...world, clock, advance };
}

const secretsOf = ({ deps }: Pick<World, 'deps'>) => {
  const { cookies, csrf } = deps.engine.secrets();
  return [...cookies, ...csrf.map((key) => key.toString('base64url'))];
};

const first = (world: Pick<World, 'deps'>) => world.deps.engine.secrets().cookies[0];

/** A further authorization in a browser that is signed in. @returns whether it needed no page */
async function goesOn(world: World, agent: ReturnType<typeof createUserAgent>): Promise<boolean> {
  const configuration = await discover(world.url, world.client);
  const request = await authorizationRequest(configuration, world.client.redirectUri);
  const end = await agent.follow(request.url);
  return end.url.searchParams.has('code');
}

test('a new key of cookies verifies for a minute before it signs, in every process', async () => {
  const world = await createAged();
  const twin = await startTwin(world, { clock: world.clock });
  const before = first(world);
  world.advance(INTERVAL);
  await world.deps.keyRotation.tick();
  for (const one of [world, twin]) {
    assert.ok(await becomesTrue(() => secretsOf(one).length === 4, 10_000), 'without a restart');
    assert.equal(first(one), before);
  }
  world.advance(59);
  await Promise.all([world.deps.engine.refresh(), twin.deps.engine.refresh()]);
  assert.equal(first(world), before);
  world.advance(1);
  await Promise.all([world.deps.engine.refresh(), twin.deps.engine.refresh()]);
  assert.notEqual(first(world), before);
  assert.deepEqual(secretsOf(twin), secretsOf(world));
});

test('sessions, and sign-ins under way, live through a rotation', async () => {
  const world = await createAged();
  const { agent } = await signInForTokens(world);
  const other = createUserAgent(world.url);
  const configuration = await discover(world.url, world.client);
  const request = await authorizationRequest(configuration, world.client.redirectUri);
  const page = await other.follow(request.url);

  const before = first(world);
  world.advance(INTERVAL);
  await world.deps.keyRotation.tick();
  world.advance(60);
  await world.deps.engine.refresh();
  assert.notEqual(first(world), before);

  assert.ok(await goesOn(world, agent), 'the session of the old key');
  const { email: identifier, password } = world.people.user;
  const end = await other.submit(page, '/sign-in', { identifier, password });
  assert.equal(end.url.searchParams.get('state'), request.state);
  assert.ok(end.url.searchParams.get('code'), 'the sign-in that began under the old key');
  assert.ok(await goesOn(world, other), 'the session of the new key');
});

test('a key of cookies goes when nothing that it signed can live any more', async () => {
  const world = await createAged();
  const before = secretsOf(world);
  world.advance(INTERVAL);
  await world.deps.keyRotation.tick();
  const count = async () =>
    Number((await world.deps.postgres.knex('server_secrets').count().first())?.count);
  const made = await count();
  // The schedule goes on meanwhile: it is the first successor that counts.
  world.advance(DAY + 59);
  await world.deps.keyRotation.tick();
  await world.deps.engine.refresh();
  assert.ok(before.every((key) => secretsOf(world).includes(key)));
  world.advance(1);
  await world.deps.keyRotation.tick();
  await world.deps.engine.refresh();
  assert.ok(before.every((key) => !secretsOf(world).includes(key)));
  assert.equal(await count(), made, 'two have come and two have gone');
});

test('a cookie of a key that is gone is nobody’s', async () => {
  const world = await createAged();
  const { agent } = await signInForTokens(world);
  assert.ok(await goesOn(world, agent));
  const { knex } = world.deps.postgres;
  await knex('server_secrets').where({ purpose: 'cookies' }).delete();
  await world.deps.engine.refresh();
  assert.ok(!(await goesOn(world, agent)));
});

test('only they rotate: with others, each person would become a stranger to pairwise clients', async () => {
  const world = await createAged();
  const { knex } = world.deps.postgres;
  const others = () =>
    knex('server_secrets').whereNotIn('purpose', ['cookies', 'csrf']).orderBy('id').pluck('id');
  const before = await others();
  assert.ok(before.length > 0);
  for (let i = 0; i < 5; i += 1) {
    world.advance(90 * DAY);
    await world.deps.keyRotation.tick();
  }
  assert.deepEqual(await others(), before);
});

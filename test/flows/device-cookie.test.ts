import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../helpers/clock.ts';
import { addressesIn, openSignIn, TRUSTING } from './sign-in-support.ts';
import { addUser, createWorld, eventsOf } from './support.ts';

/** Device cookies (OWASP): a stranger cannot lock the owner of an account out (ASVS 6.1.1). */

const clock = createFakeClock();
const world = await createWorld({ settings: TRUSTING, overrides: { clock } });
const { knex } = world.deps.postgres;

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const newAddress = addressesIn('203.0.113');

type Person = Awaited<ReturnType<typeof addUser>>;

async function signIn(person: Person, device?: string) {
  const { attempt } = await openSignIn(world, world.url, device);
  const done = await attempt(person.identifier, person.password, newAddress());
  assert.equal(done.status, 303);
  assert.ok(done.device, 'a device cookie is set');
  return { ...done, device: done.device };
}

async function signInLater(person: Person, device: string) {
  clock.advance(15 * MINUTE);
  return signIn(person, device);
}

/** Ten failures of a stranger, without the work of hashing ten times. */
async function lock({ id }: Person): Promise<void> {
  const { rateLimits, signIn: service } = world.deps;
  const quarter = 15 * MINUTE;
  const account = { bucket: 'login-account', key: `user:${id}` };
  for (let i = 0; i < 10; i += 1) {
    await rateLimits.hit({ ...account, limit: 10, windowMs: quarter, blockMs: quarter });
  }
  assert.equal(await service.isLocked(id), true);
}

const isNewAt = async (person: Person): Promise<unknown[]> =>
  (await eventsOf(world.deps, 'identity.user.logged_in.v1'))
    .filter(({ subject }) => subject === person.id)
    .map(({ data }) => data.isNewBrowser ?? false);

test('the owner signs in with the cookie while a stranger has locked the account (ASVS 6.1.1)', async () => {
  const owner = await addUser(world, 'owner');
  const { device } = await signIn(owner);
  const stranger = await openSignIn(world);
  for (let i = 0; i < 10; i += 1) {
    const { status } = await stranger.attempt(owner.identifier, 'wrong', newAddress());
    assert.equal(status, 401);
  }
  assert.equal(
    (await stranger.attempt(owner.identifier, owner.password, newAddress())).status,
    423,
    'without the cookie even the right password waits',
  );
  await signIn(owner, device);
  const user = { id: owner.id, tenantId: world.people.tenantId };
  assert.equal(await world.deps.signIn.isLocked(owner.id), true);
  assert.equal(await world.deps.signIn.isLockedFor(user, null), true);
  assert.equal(await world.deps.signIn.isLockedFor(user, device), false);
});

test('a stolen cookie has ten tries of its own, then those of everybody', async () => {
  const owner = await addUser(world, 'stolen');
  const { device } = await signIn(owner);
  await lock(owner);
  const { attempt } = await openSignIn(world, world.url, device);
  for (let i = 1; i <= 10; i += 1) {
    const { status } = await attempt(owner.identifier, 'wrong', newAddress());
    assert.equal(status, 401, `try ${i}`);
  }
  const refused = await attempt(owner.identifier, owner.password, newAddress());
  assert.equal(refused.status, 423);
  assert.ok(Number(refused.retryAfter) > 14 * 60 && Number(refused.retryAfter) <= 15 * 60);
  const other = await signInLater(owner, device);
  assert.ok(other.device, 'after a quarter of an hour it begins anew');
});

test('fifty guesses at once with the cookie get its ten tries and those of everybody (CVE-2024-4629)', async () => {
  const owner = await addUser(world, 'parallel');
  const { device } = await signIn(owner);
  const { attempt } = await openSignIn(world, world.url, device);
  const tries = await Promise.all(
    Array.from({ length: 50 }, (_, i) => attempt(owner.identifier, 'wrong', `198.51.100.${i + 1}`)),
  );
  assert.equal(tries.filter(({ status }) => status === 401).length, 20, 'as many as in a row');
  assert.equal(tries.filter(({ status }) => status === 423).length, 30);
  const locked = await eventsOf(world.deps, 'identity.user.locked.v1');
  assert.equal(locked.filter(({ data }) => data.userId === owner.id).length, 1);
});

test('the cookie vouches for the accounts that have signed in with it, and for no other', async () => {
  const first = await addUser(world, 'first');
  const second = await addUser(world, 'second');
  const { device } = await signIn(first);
  await lock(second);
  const { attempt } = await openSignIn(world, world.url, device);
  const refused = await attempt(second.identifier, second.password, newAddress());
  assert.equal(refused.status, 423);
  const forged = [
    `${device.slice(0, -1)}${device.endsWith('A') ? 'B' : 'A'}`,
    `${'A'.repeat(44)}.${device}`,
    ['', '.', '%00', 'x'.repeat(5_000)],
  ].flat();
  for (const value of forged) {
    const page = await openSignIn(world, world.url, value);
    const { status } = await page.attempt(second.identifier, second.password, newAddress());
    assert.equal(status, 423, value.slice(0, 80));
  }
});

test('the cookie names nobody, is bounded, and is out of reach of scripts (ASVS 3.3.4)', async () => {
  const people = [];
  for (const name of ['one', 'two', 'three', 'four', 'five', 'six']) {
    people.push(await addUser(world, `bounded-${name}`));
  }
  let device: string | undefined;
  let line = '';
  for (const person of people) {
    const done = await signIn(person, device);
    device = done.device;
    line = done.headers.getSetCookie().find((one) => one.startsWith('gh_device=')) ?? '';
  }
  assert.equal(device?.split('.').length, 5, 'of six accounts five are kept');
  assert.match(line, /; httponly/i);
  assert.match(line, /; samesite=lax/i);
  assert.match(line, /; path=\/(;|$)/i);
  const clear = Buffer.from(device ?? '', 'base64url').toString('latin1');
  for (const { id, identifier } of people) {
    assert.ok(!device?.includes(id) && !clear.includes(id) && !clear.includes(identifier));
  }
  const [oldest, ...others] = people;
  for (const person of others) {
    const user = { id: person.id, tenantId: world.people.tenantId };
    assert.equal(await world.deps.signIn.isLockedFor(user, device), false);
  }
  assert.ok(oldest);
  await lock(oldest);
  const { attempt } = await openSignIn(world, world.url, device);
  assert.equal((await attempt(oldest.identifier, oldest.password, newAddress())).status, 423);
});

test('a first sign-in from a browser is told of, except the first of all; no event has the address', async () => {
  const person = await addUser(world, 'mobile');
  const { device } = await signIn(person);
  assert.deepEqual(await isNewAt(person), [false]);
  await signIn(person, device);
  assert.deepEqual(await isNewAt(person), [false, false]);
  await signIn(person);
  assert.deepEqual(await isNewAt(person), [false, false, true]);
  const events = await eventsOf(world.deps, 'identity.user.logged_in.v1');
  const { data } = events.findLast(({ subject }) => subject === person.id) ?? {};
  assert.deepEqual(Object.keys(data ?? {}).sort(), [
    'amr',
    'browserId',
    'clientId',
    'isNewBrowser',
    'userId',
  ]);
  const row = await knex('known_browsers').where({ id: data?.browserId }).first();
  assert.match(row.client_ip, /^203\.0\.113\./, 'the notice finds it by the id');
});

test('a user has at most twenty browsers, the newest; one that is forgotten is a new one', async () => {
  const person = await addUser(world, 'many-browsers');
  const { device } = await signIn(person);
  for (let i = 0; i < 20; i += 1) {
    await knex('known_browsers').insert({
      ...(await knex('known_browsers').where({ user_id: person.id }).first()),
      id: crypto.randomUUID(),
      browser_hash: Buffer.from(`browser ${i}`),
      last_seen_at: new Date(clock.now() + 1_000 + i),
    });
  }
  clock.advance(MINUTE);
  await signIn(person);
  const rows = await knex('known_browsers').where({ user_id: person.id });
  assert.equal(rows.length, 20);
  await signIn(person, device);
  assert.equal((await isNewAt(person)).at(-1), true, 'the first browser had to go');
});

test('a cookie that an operator has had forgotten vouches for nobody', async () => {
  const person = await addUser(world, 'forgotten');
  const { device } = await signIn(person);
  const { tenantId } = world.people;
  assert.equal(await world.deps.signIn.forgetBrowsers(tenantId, person.id), 1);
  await lock(person);
  const { attempt } = await openSignIn(world, world.url, device);
  assert.equal((await attempt(person.identifier, person.password, newAddress())).status, 423);
});

test('a browser that was not used for a year is forgotten and purged', async () => {
  const person = await addUser(world, 'away');
  const { device } = await signIn(person);
  const browser = () => knex('known_browsers').where({ user_id: person.id });
  const inDays = (days: number) => new Date(clock.now() + days * DAY);
  await browser().update({ last_seen_at: inDays(-364), expires_at: inDays(1) });
  const again = await signIn(person, device);
  assert.deepEqual((await browser().first()).expires_at, inDays(365), 'used: a year from now');
  await browser().update({ expires_at: inDays(0) });
  const user = { id: person.id, tenantId: world.people.tenantId };
  await lock(person);
  assert.equal(await world.deps.signIn.isLockedFor(user, again.device), true);
  while ((await world.deps.purgeExpired()) > 0);
  assert.deepEqual(await browser(), []);
});

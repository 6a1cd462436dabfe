import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../helpers/clock.ts';
import { addressesIn, openSignIn, TRUSTING } from './sign-in-support.ts';
import { addUser, createWorld, eventsOf, randomText } from './support.ts';

const clock = createFakeClock();
const world = await createWorld({ settings: TRUSTING, overrides: { clock } });
const { user } = world.people;

const MINUTE = 60_000;

const newAddress = addressesIn('203.0.113');

const nobody = () => `nobody-${randomText(6)}@lotus.example`;

test('six failures from one address in five minutes; the seventh waits, with Retry-After (ASVS 6.3.1)', async () => {
  const { attempt } = await openSignIn(world);
  const address = newAddress();
  for (let i = 1; i <= 6; i += 1) {
    assert.equal((await attempt(nobody(), 'wrong', address)).status, 401, `try ${i}`);
  }
  const seventh = await attempt(nobody(), 'wrong', address);
  assert.equal(seventh.status, 429);
  assert.ok(Number(seventh.retryAfter) > 0 && Number(seventh.retryAfter) <= 300);
  const { headers } = seventh;
  assert.equal(headers.get('ratelimit-policy'), '6;w=300');
  assert.equal(headers.get('ratelimit-limit'), '6');
  assert.equal(headers.get('ratelimit-remaining'), '0');
  // Even the right password waits: a refused try must not tell whether it was right.
  assert.equal((await attempt(user.email, user.password, address)).status, 429);
  assert.equal((await attempt(user.email, user.password, newAddress())).status, 303);
});

test('the window passes', async () => {
  const { attempt } = await openSignIn(world);
  const address = newAddress();
  for (let i = 0; i < 6; i += 1) await attempt(nobody(), 'wrong', address);
  const { retryAfter } = await attempt(nobody(), 'wrong', address);
  clock.advance(Number(retryAfter) * 1_000 - 1_000);
  assert.equal((await attempt(nobody(), 'wrong', address)).status, 429);
  clock.advance(1_000);
  assert.equal((await attempt(nobody(), 'wrong', address)).status, 401);
});

test('a success gives its attempt back: people who sign in often are not shut out', async () => {
  const address = newAddress();
  for (let i = 0; i < 10; i += 1) {
    const { attempt } = await openSignIn(world);
    assert.equal((await attempt(user.email, user.password, address)).status, 303, `time ${i}`);
  }
});

test('every spelling of an address is one, an IPv6 customer is its /64 (CVE-2026-45364)', async () => {
  const { attempt } = await openSignIn(world);
  for (const [first, ...others] of [
    ['203.0.113.200', '::ffff:203.0.113.200', '::FFFF:CB00:71C8', '203.0.113.200:4711'],
    [
      '2001:db8:1:2::1',
      '2001:DB8:1:2:0:0:0:1',
      '2001:db8:1:2:ffff:ffff:ffff:ffff',
      '[2001:db8:1:2::9]:80',
    ],
  ] as [string, ...string[]][]) {
    const spellings = [first, ...others];
    for (let i = 0; i < 6; i += 1) {
      const address = spellings[i % spellings.length] ?? first;
      assert.equal((await attempt(nobody(), 'wrong', address)).status, 401, address);
    }
    for (const address of spellings) {
      assert.equal((await attempt(nobody(), 'wrong', address)).status, 429, address);
    }
  }
  assert.equal((await attempt(nobody(), 'wrong', '2001:db8:1:3::1')).status, 401, 'the next /64');
});

test('two hundred addresses of one /64 have six tries together (CVE-2026-45364)', async () => {
  const { attempt } = await openSignIn(world);
  const tries = await Promise.all(
    Array.from({ length: 200 }, (_, i) => attempt(nobody(), 'wrong', `2001:db8:9:9::${i + 1}`)),
  );
  assert.equal(tries.filter(({ status }) => status === 401).length, 6);
  assert.equal(tries.filter(({ status }) => status === 429).length, 194);
});

test('ten failures at one account in fifteen minutes lock it for fifteen, from any address', async () => {
  const victim = await addUser(world, 'victim');
  const { attempt } = await openSignIn(world);
  for (let i = 1; i <= 10; i += 1) {
    const { status } = await attempt(victim.identifier, 'wrong', newAddress());
    assert.equal(status, 401, `try ${i}`);
  }
  const eleventh = await attempt(victim.identifier, 'wrong', newAddress());
  assert.equal(eleventh.status, 423);
  assert.ok(Number(eleventh.retryAfter) > 14 * 60 && Number(eleventh.retryAfter) <= 15 * 60);
  const right = await attempt(victim.identifier, victim.password, newAddress());
  assert.equal(right.status, 423);
  const locked = await eventsOf(world.deps, 'identity.user.locked.v1');
  assert.equal(locked.filter(({ data }) => data.userId === victim.id).length, 1);
  clock.advance(15 * MINUTE);
  const fresh = await openSignIn(world);
  const later = await fresh.attempt(victim.identifier, victim.password, newAddress());
  assert.equal(later.status, 303);
});

test('an account that does not exist locks alike (ASVS 6.3.8)', async () => {
  const { attempt } = await openSignIn(world);
  const unknown = nobody();
  for (let i = 0; i < 10; i += 1) {
    assert.equal((await attempt(unknown, 'wrong', newAddress())).status, 401);
  }
  const refused = await attempt(unknown, 'wrong', newAddress());
  assert.equal(refused.status, 423);
  assert.ok(Number(refused.retryAfter) > 14 * 60);
});

test('an account has one budget, whichever of its names is typed', async () => {
  const many = await addUser(world, 'manynames');
  const { attempt } = await openSignIn(world);
  const names = ['manynames@lotus.example', 'MANYNAMES@Lotus.Example', 'manynames', ' ManyNames '];
  for (let i = 0; i < 10; i += 1) {
    const name = names[i % names.length] ?? many.identifier;
    assert.equal((await attempt(name, 'wrong', newAddress())).status, 401, name);
  }
  for (const name of names) {
    assert.equal((await attempt(name, 'wrong', newAddress())).status, 423, name);
  }
});

test('X-Forwarded-For of a stranger changes nothing (CVE-2026-45364)', async () => {
  const doubting = await createWorld();
  const { attempt } = await openSignIn(doubting);
  for (let i = 0; i < 6; i += 1) {
    assert.equal((await attempt(nobody(), 'wrong', newAddress())).status, 401);
  }
  assert.equal((await attempt(nobody(), 'wrong', newAddress())).status, 429);
});

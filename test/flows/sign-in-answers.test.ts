import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hash } from '@node-rs/argon2';
import { USUAL_HASHES } from '../helpers/gatehouse.ts';
import { addressesIn, openSignIn, TRUSTING } from './sign-in-support.ts';
import { addUser, becomesTrue, createWorld, eventsOf, randomText } from './support.ts';

const world = await createWorld({ settings: { ...TRUSTING, ...USUAL_HASHES } });
const { deps, people } = world;

const newAddress = addressesIn('203.0.113');

const setHash = (userId: string, encoded: string) =>
  deps.postgres.knex('user_passwords').where({ user_id: userId }).update({ hash: encoded });
const hashOf = async (userId: string): Promise<string> =>
  (await deps.postgres.knex('user_passwords').where({ user_id: userId }).first('hash')).hash;

/** What differs from one rendering of a page to the next by nature. */
const plain = (html: string, identifier: string): string =>
  html.replaceAll(identifier, '…').replace(/[0-9a-f]{8}-[0-9a-f-]{27}|value="[\w-]{43}"/g, '');

test('unknown, wrong, suspended, deactivated, without a password: one answer (ASVS 6.3.8)', async () => {
  const suspended = await addUser(world, 'suspended');
  const deactivated = await addUser(world, 'deactivated');
  const without = await addUser(world, 'without');
  await deps.postgres.knex('users').where({ id: suspended.id }).update({ status: 'suspended' });
  await deps.postgres.knex('users').where({ id: deactivated.id }).update({ status: 'deactivated' });
  await deps.postgres.knex('user_passwords').where({ user_id: without.id }).delete();
  const { attempt } = await openSignIn(world);
  const tries: [string, string][] = [
    ['nobody@lotus.example', 'whatever it was'],
    [people.user.email, 'not the password'],
    [suspended.identifier, suspended.password],
    [deactivated.identifier, deactivated.password],
    [without.identifier, without.password],
    ['x'.repeat(400), 'whatever it was'],
  ];
  const answers = new Set<string>();
  for (const [identifier, password] of tries) {
    const { status, html } = await attempt(identifier, password, newAddress());
    answers.add(`${status} ${plain(html, identifier)}`);
  }
  assert.equal(answers.size, 1, [...answers].join('\n---\n').slice(0, 4_000));
  assert.match([...answers][0] ?? '', /^401 /);
});

test('an unknown user costs a hash too, so that time does not tell (ASVS 6.3.8)', async () => {
  const { attempt } = await openSignIn(world);
  const time = async (identifier: string) => {
    const begin = performance.now();
    await attempt(identifier, 'not the password', newAddress());
    return performance.now() - begin;
  };
  const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? 0;
  const [known, unknown]: [number[], number[]] = [[], []];
  await time('warm-up');
  for (let i = 0; i < 5; i += 1) {
    known.push(await time(people.user.email));
    unknown.push(await time(`nobody-${randomText(4)}`));
  }
  // A hash takes tens of milliseconds, everything else a few: without one this would be a tenth.
  assert.ok(median(unknown) > median(known) / 3, `${median(unknown)} ms, ${median(known)} ms`);
});

test('a refused sign-in is an event and a line in the log, without the name that was typed', async () => {
  const before = (await eventsOf(deps)).length;
  const { attempt } = await openSignIn(world);
  const typed = `typo-${randomText(6)}@lotus.example`;
  await attempt(typed, 'a secret thing', newAddress());
  const [event] = (await eventsOf(deps)).slice(before);
  assert.equal(event?.type, 'identity.user.login_failed.v1');
  assert.equal(event?.data.reason, 'unknown_user');
  const line = world.logs.findLast(({ event }) => event === 'auth.login_failed');
  assert.equal(line?.level, 'warn');
  assert.ok(!JSON.stringify(world.logs).includes(typed));
  assert.ok(!JSON.stringify(world.logs).includes('a secret thing'));
});

test('with no room to hash the answer is 503 with Retry-After, and the try is not counted', async () => {
  // Long enough that the next try comes while one is being hashed.
  const slow = { ...TRUSTING, ...USUAL_HASHES, ARGON2_PASSES: '10' };
  const busy = await createWorld({
    settings: { ...slow, MAX_CONCURRENT_HASHES: '1', HASH_QUEUE_LIMIT: '0' },
  });
  const { attempt } = await openSignIn(busy);
  const { email, password } = busy.people.user;
  const address = newAddress();
  const tries = await Promise.all(
    Array.from({ length: 6 }, () => attempt(email, 'wrong', address)),
  );
  const refused = tries.filter(({ status }) => status === 503);
  assert.ok(refused.length > 0, tries.map(({ status }) => status).join());
  for (const { retryAfter } of refused) assert.ok(Number(retryAfter) > 0);
  assert.ok(tries.every(({ status }) => status === 503 || status === 401));
  assert.equal(
    (await attempt(email, password, address)).status,
    303,
    'what was busy did not count',
  );
  assert.ok(busy.logs.some(({ event }) => event === 'auth.hash_busy'));
});

test('a password hashed with other parameters is hashed again at the next sign-in', async () => {
  const user = await addUser(world, 'rehash');
  await setHash(user.id, await hash(user.password, { memoryCost: 8_192, timeCost: 2 }));
  const { attempt } = await openSignIn(world);
  assert.equal((await attempt(user.identifier, 'wrong', newAddress())).status, 401);
  assert.match(await hashOf(user.id), /m=8192/, 'a wrong password changes nothing');
  assert.equal((await attempt(user.identifier, user.password, newAddress())).status, 303);
  const isNew = async () => /^\$argon2id\$v=19\$m=65536,t=3,p=1\$/.test(await hashOf(user.id));
  assert.ok(await becomesTrue(isNew, 5_000));
  const again = await openSignIn(world);
  assert.equal((await again.attempt(user.identifier, user.password, newAddress())).status, 303);
});

test('a hash that is no hash refuses like a wrong password, never by an error of ours', async () => {
  const user = await addUser(world, 'garbled');
  const { attempt } = await openSignIn(world);
  for (const garbage of ['', 'x', '$argon2id$', '$2b$10$tooshort', 'md5:abc']) {
    await setHash(user.id, garbage);
    const { status } = await attempt(user.identifier, user.password, newAddress());
    assert.equal(status, 401, garbage);
  }
});

test('a password is compared whole and as typed (ASVS 6.2.8)', async () => {
  const long = `${'correct horse '.repeat(12)}é`;
  const user = await addUser(world, 'long', long);
  for (const wrong of [
    long.slice(0, -1),
    long.toUpperCase(),
    long.trim().slice(0, 72),
    `${long} `,
  ]) {
    const { attempt } = await openSignIn(world);
    assert.equal((await attempt(user.identifier, wrong, newAddress())).status, 401);
  }
  // NFKC: the same letters from another keyboard (SP 800-63B-4).
  const { attempt } = await openSignIn(world);
  assert.equal((await attempt(user.identifier, long.normalize('NFD'), newAddress())).status, 303);
});

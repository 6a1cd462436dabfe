import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from 'otpauth';
import { createWorld, eventsOf, startTwin } from '../../flows/support.ts';
import { createFakeClock } from '../../helpers/clock.ts';
import { addApp, showCode } from './support.ts';

const clock = createFakeClock();
const world = await createWorld({ overrides: { clock } });
const twin = await startTwin(world, { clock });
const { deps, people } = world;
const { knex } = deps.postgres;
const { tenantId } = people;
const STEP = 30_000;

let count = 0;
/** A user of their own for each test. */
async function createOwner() {
  count += 1;
  const { id } = await deps.users.create({ tenantId, username: `owner-${count}` });
  return { id, tenantId, label: 'an@lotus.example' };
}
const options = { name: 'Phone', issuerName: 'Lotus Health' };
const rename = (user: { id: string; tenantId: string }, id: string, name: string) =>
  knex.transaction((trx) => deps.totp.rename(trx, user, id, name));
const verify = async (user: { id: string; tenantId: string }, secret: string, at = clock.now()) =>
  deps.totp.verify(user, showCode(secret, at));

test('an app counts from its first code on, not before (ASVS 6.5.1)', async () => {
  const owner = await createOwner();
  const { id, secret, uri } = await deps.totp.enroll(owner, options);
  assert.match(uri, /^otpauth:\/\/totp\/Lotus%20Health:an%40lotus\.example\?/);
  assert.equal(await verify(owner, secret), false);
  assert.deepEqual(await deps.totp.list(owner), []);
  assert.equal(await rename(owner, id, 'Tablet'), false);
  assert.deepEqual(await deps.totp.pending(owner, id, options), { id, secret, uri });

  const wrong = deps.totp.confirm(owner, id, showCode(secret, clock.now() + 10 * STEP));
  await assert.rejects(wrong, { code: 'IDENT_VALIDATION' });
  const confirmed = await deps.totp.confirm(owner, id, showCode(secret, clock.now()));
  assert.deepEqual(
    { ...confirmed, createdAt: null },
    { id, type: 'totp', name: 'Phone', createdAt: null, lastUsedAt: null },
  );
  const events = await eventsOf(deps, 'identity.user.mfa_enrolled.v1');
  assert.deepEqual(events.at(-1)?.data, { userId: owner.id, authenticatorId: id, type: 'totp' });

  // The code that confirmed it is used up.
  assert.equal(await verify(owner, secret), false);
  assert.equal(await deps.totp.pending(owner, id, options), undefined);
  const again = deps.totp.confirm(owner, id, showCode(secret, clock.now()));
  await assert.rejects(again, { code: 'IDENT_TOKEN_SPENT' });
  assert.equal(await verify(owner, secret, clock.now() + STEP), true);
  const [listed] = await deps.totp.list(owner);
  assert.equal(listed?.lastUsedAt?.getTime(), clock.now());
});

test('one code 50 times at once, in two processes, is taken once (CVE-2026-27855, ASVS 6.5.1, RFC 6238 5.2)', async () => {
  for (let round = 0; round < 3; round += 1) {
    const owner = await createOwner();
    const { secret } = await addApp({ deps, clock }, owner);
    clock.advance(STEP);
    const code = showCode(secret, clock.now());
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        (index % 2 ? deps : twin.deps).totp.verify(owner, code),
      ),
    );
    assert.equal(results.filter(Boolean).length, 1);
    assert.equal(await deps.totp.verify(owner, code), false);
  }
});

test('no code older than one that was taken is taken, also when the clock goes back', async () => {
  const owner = await createOwner();
  const { secret } = await addApp({ deps, clock }, owner);
  clock.advance(2 * STEP);
  const before = showCode(secret, clock.now() - STEP);
  assert.equal(await verify(owner, secret, clock.now()), true);
  assert.equal(await deps.totp.verify(owner, before), false);
  clock.advance(-5 * STEP);
  assert.equal(await verify(owner, secret, clock.now()), false);
  clock.advance(5 * STEP);
  assert.equal(await verify(owner, secret, clock.now()), false);
  clock.advance(STEP);
  assert.equal(await verify(owner, secret, clock.now()), true);
});

test('of several apps each opens, and using one leaves the others as they were', async () => {
  const owner = await createOwner();
  const phone = await addApp({ deps, clock }, owner, 'Phone');
  const tablet = await addApp({ deps, clock }, owner, 'Tablet');
  clock.advance(STEP);
  assert.equal(await verify(owner, tablet.secret), true);
  const steps = await knex('totp_authenticators').where({ id: phone.id }).pluck('last_used_at');
  assert.deepEqual(steps, [null]);
  assert.equal(await verify(owner, phone.secret), true);
  assert.equal(await verify(owner, tablet.secret), false);
});

test("another user's app is like none: its code, its name, its end (IDOR)", async () => {
  const [owner, stranger] = [await createOwner(), await createOwner()];
  const { id, secret } = await addApp({ deps, clock }, owner);
  clock.advance(STEP);
  assert.equal(await verify(stranger, secret), false);
  assert.equal(await verify({ ...owner, tenantId: crypto.randomUUID() }, secret), false);
  assert.equal(await rename(stranger, id, 'mine'), false);
  const removed = knex.transaction((trx) => deps.totp.remove(trx, stranger, id, 'user'));
  assert.equal(await removed, false);
  const pending = await deps.totp.enroll(owner, options);
  assert.equal(await deps.totp.pending(stranger, pending.id, options), undefined);
  const code = showCode(pending.secret, clock.now());
  const confirmed = deps.totp.confirm(stranger, pending.id, code);
  await assert.rejects(confirmed, { code: 'IDENT_TOKEN_SPENT' });
  assert.equal(await verify(owner, secret), true);
});

test('seeds are random, of 160 bits, and sealed to their row (ASVS 6.5.3, 14.2)', async () => {
  const [owner, other] = [await createOwner(), await createOwner()];
  const { id, secret } = await addApp({ deps, clock }, owner);
  const { id: otherId, secret: otherSecret } = await addApp({ deps, clock }, other);
  const seed = Buffer.from(Secret.fromBase32(secret).bytes);
  assert.equal(seed.length, 20);
  assert.notEqual(secret, otherSecret);
  const row = await knex('totp_authenticators').where({ id }).first();
  const line = JSON.stringify({ ...row, seed_sealed: row.seed_sealed.toString('hex') });
  for (const form of [seed.toString('hex'), seed.toString('base64'), secret]) {
    assert.ok(!line.toLowerCase().includes(form.toLowerCase()));
  }
  assert.deepEqual(deps.sealer.open(row.seed_sealed, `totp_authenticators:${id}`), seed);
  // Moved to another row, it opens nothing there.
  await knex('totp_authenticators').where({ id: otherId }).update({ seed_sealed: row.seed_sealed });
  clock.advance(STEP);
  await assert.rejects(verify(other, secret));
});

test('a user has five apps at most, also when the fifth and sixth are set up at once', async () => {
  const owner = await createOwner();
  for (let index = 0; index < 4; index += 1) await addApp({ deps, clock }, owner, `App ${index}`);
  const settled = await Promise.allSettled(
    Array.from({ length: 6 }, async () => {
      const { id, secret } = await deps.totp.enroll(owner, options);
      return deps.totp.confirm(owner, id, showCode(secret, clock.now()));
    }),
  );
  assert.ok(settled.filter(({ status }) => status === 'fulfilled').length <= 1);
  if ((await deps.totp.list(owner)).length === 4) await addApp({ deps, clock }, owner);
  assert.equal((await deps.totp.list(owner)).length, 5);
  await assert.rejects(deps.totp.enroll(owner, options), { code: 'IDENT_VALIDATION' });
});

test('an app that never showed a code is replaced by the next, expires in an hour and is purged', async () => {
  const owner = await createOwner();
  const first = await deps.totp.enroll(owner, options);
  const second = await deps.totp.enroll(owner, options);
  const code = () => showCode(first.secret, clock.now());
  await assert.rejects(deps.totp.confirm(owner, first.id, code()), { code: 'IDENT_TOKEN_SPENT' });
  clock.advance(3_600_000);
  assert.equal(await deps.totp.pending(owner, second.id, options), undefined);
  const late = deps.totp.confirm(owner, second.id, showCode(second.secret, clock.now()));
  await assert.rejects(late, { code: 'IDENT_TOKEN_SPENT' });
  await deps.totp.purgePending();
  const left = await knex('totp_authenticators').whereNull('confirmed_at');
  assert.deepEqual(left, []);
});

test('nothing is set up for whoever is erased or of another tenant', async () => {
  const owner = await createOwner();
  const { id } = await deps.totp.enroll(owner, options);
  const elsewhere = { ...owner, tenantId: crypto.randomUUID() };
  await assert.rejects(deps.totp.enroll(elsewhere, options), { code: 'IDENT_NOT_FOUND' });
  await deps.lifecycle.erase({ tenantId, userId: owner.id });
  await assert.rejects(deps.totp.enroll(owner, options), { code: 'IDENT_NOT_FOUND' });
  const confirmed = deps.totp.confirm(owner, id, '000000');
  await assert.rejects(confirmed, { code: 'IDENT_TOKEN_SPENT' });
});

test('a browser that is remembered is forgotten with each app that counts, not with one that never did', async () => {
  const owner = await createOwner();
  const browser = { user_id: owner.id, tenant_id: tenantId };
  const at = new Date(clock.now());
  await knex('known_browsers').insert({
    ...{ ...browser, id: crypto.randomUUID(), browser_hash: Buffer.from(owner.id) },
    ...{ first_seen_at: at, last_seen_at: at, expires_at: new Date(at.getTime() + STEP) },
  });
  const remember = () => knex('known_browsers').where(browser).update({ second_factor_until: at });
  const isRemembered = async () =>
    (await knex('known_browsers').where(browser).first()).second_factor_until !== null;

  await remember();
  await deps.totp.enroll(owner, options);
  const { id, secret } = await deps.totp.enroll(owner, options);
  assert.equal(await isRemembered(), true);
  await deps.totp.confirm(owner, id, showCode(secret, clock.now()));
  assert.equal(await isRemembered(), false);
  await remember();
  assert.equal(await verify(owner, secret, clock.now() + STEP), true);
  assert.equal(await rename(owner, id, 'Tablet'), true);
  assert.equal(await isRemembered(), true);
  await knex.transaction((trx) => deps.totp.remove(trx, owner, id, 'user'));
  assert.equal(await isRemembered(), false);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../src/kernel/errors.ts';
import { createFakeClock } from '../helpers/clock.ts';
import { seedPeople, startGatehouse } from '../helpers/gatehouse.ts';

const HOUR = 3_600_000;
const clock = createFakeClock();
const { deps } = await startGatehouse({ overrides: { clock } });
const { links } = deps;
const { knex } = deps.postgres;
const { tenantId, user } = await seedPeople(deps);

const isSpent = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'IDENT_TOKEN_SPENT';
const of = { userId: user.id, tenantId };
const consume = (purpose: string, token: string) =>
  knex.transaction((trx) => links.consume(trx, purpose, token));

test('a link is 256 bits, stored as a hash, and gives what it stands for once, in parallel too', async () => {
  const token = await links.issue({ ...of, purpose: 'once', ttl: HOUR, data: { a: 1 } });
  assert.match(token, /^[\w-]{43}$/);
  const stored = JSON.stringify(
    await knex('one_time_links').select(knex.raw('*, token_hash::text')),
  );
  assert.ok(!stored.includes(token));
  assert.deepEqual(await links.peek('once', token), { ...of, data: { a: 1 } });
  const settled = await Promise.allSettled(
    Array.from({ length: 20 }, () => consume('once', token)),
  );
  const won = settled.filter((one) => one.status === 'fulfilled');
  assert.deepEqual(
    won.map(({ value }) => value),
    [{ ...of, data: { a: 1 } }],
  );
  for (const one of settled) if (one.status === 'rejected') assert.ok(isSpent(one.reason));
  await assert.rejects(links.peek('once', token), isSpent);
});

test('a transaction that fails leaves the link good', async () => {
  const token = await links.issue({ ...of, purpose: 'rolled-back', ttl: HOUR });
  const failed = knex.transaction(async (trx) => {
    await links.consume(trx, 'rolled-back', token);
    throw new Error('something else went wrong');
  });
  await assert.rejects(failed, /something else/);
  assert.deepEqual(await consume('rolled-back', token), { ...of, data: {} });
});

test('CVE-2026-37982: expired, of another purpose, malformed and unknown links are spent alike', async () => {
  const token = await links.issue({ ...of, purpose: 'short', ttl: HOUR });
  clock.advance(HOUR - 1);
  await links.peek('short', token);
  await assert.rejects(consume('other', token), isSpent);
  clock.advance(1);
  await assert.rejects(consume('short', token), isSpent);
  await assert.rejects(links.peek('short', token), isSpent);
  for (const wrong of ['', 'x'.repeat(43), token.slice(1), `${token}a`, '\0', 'ü'.repeat(43)]) {
    await assert.rejects(consume('short', wrong), isSpent);
    await assert.rejects(links.peek('short', wrong), isSpent);
  }
});

test('no link lives longer than 24 hours', async () => {
  for (const ttl of [24 * HOUR + 1, 0, -1, Number.NaN]) {
    await assert.rejects(links.issue({ ...of, purpose: 'long', ttl }), RangeError);
  }
  await links.issue({ ...of, purpose: 'long', ttl: 24 * HOUR });
});

test('a newer link of the purpose ends the older one, also when both are made at once', async () => {
  const other = await links.issue({ ...of, purpose: 'untouched', ttl: HOUR });
  const tokens = await Promise.all(
    Array.from({ length: 4 }, () => links.issue({ ...of, purpose: 'newest', ttl: HOUR })),
  );
  const settled = await Promise.allSettled(tokens.map((token) => links.peek('newest', token)));
  assert.equal(settled.filter(({ status }) => status === 'fulfilled').length, 1);
  await links.peek('untouched', other);
});

test('the same seed makes the same link, which is not brought back once it is used or replaced', async () => {
  const link = { ...of, purpose: 'seeded', ttl: HOUR, seed: 'event-1' };
  const token = await links.issue(link);
  assert.equal(await links.issue(link), token);
  assert.notEqual(await links.issue({ ...link, purpose: 'seeded-too' }), token);
  const newer = await links.issue({ ...link, seed: 'event-2' });
  assert.equal(await links.issue(link), token, 'made again, it ends no newer one');
  await assert.rejects(consume('seeded', token), isSpent);
  await consume('seeded', newer);
  assert.equal(await links.issue({ ...link, seed: 'event-2' }), newer);
  await assert.rejects(consume('seeded', newer), isSpent);
});

test('ASVS 6.3.8: a link for nobody is written like any other and opens nothing', async () => {
  const before = Number((await knex('one_time_links').count())[0]?.count);
  const nobody = { userId: null, tenantId: null, purpose: 'nobody', ttl: HOUR };
  const tokens = [await links.issue(nobody), await links.issue(nobody)];
  assert.equal(Number((await knex('one_time_links').count())[0]?.count), before + 2);
  for (const token of tokens) {
    await assert.rejects(links.peek('nobody', token), isSpent);
    await assert.rejects(consume('nobody', token), isSpent);
  }
});

test('links end with a word, go with their user, and are purged once expired', async () => {
  const tokens = {
    a: await links.issue({ ...of, purpose: 'ending-a', ttl: HOUR }),
    b: await links.issue({ ...of, purpose: 'ending-b', ttl: HOUR }),
  };
  await knex.transaction((trx) => links.endAllOf(trx, { userId: user.id, purpose: 'ending-a' }));
  await assert.rejects(links.peek('ending-a', tokens.a), isSpent);
  await links.peek('ending-b', tokens.b);
  await knex.transaction((trx) => links.erase(trx, user.id));
  assert.equal((await knex('one_time_links').where({ user_id: user.id })).length, 0);
  await links.issue({ ...of, purpose: 'purged', ttl: HOUR });
  clock.advance(24 * HOUR);
  await deps.purgeExpired();
  assert.equal((await knex('one_time_links')).length, 0);
});

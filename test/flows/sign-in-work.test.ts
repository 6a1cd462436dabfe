import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callApi } from './auth-support.ts';
import { countWork, createQuietWorld } from './proof-support.ts';
import { addressesIn, TRUSTING } from './sign-in-support.ts';
import { addUser } from './support.ts';

/**
 * What a refused sign-in asks of the stores and the hasher, whoever is asked about
 * (ASVS 6.3.8): times are measured in the benchmark (`timing`), this is what they are made of.
 */

const world = await createQuietWorld(TRUSTING);
const { deps, people, url } = world;
const newAddress = addressesIn('203.0.113');

/** Looks for changed keys, which happen every few seconds whatever is asked. */
const isOfHost = (sql: string): boolean => /"signing_keys"|"server_secrets"/.test(sql);

/** Calls to the hasher. */
async function countHashes(work: () => Promise<unknown>): Promise<number> {
  const { passwords } = deps;
  const { verify } = passwords;
  let count = 0;
  passwords.verify = (...given) => {
    count += 1;
    return verify(...given);
  };
  try {
    await work();
  } finally {
    passwords.verify = verify;
  }
  return count;
}

async function workOf(identifier: string, password: string, status: number) {
  let hashes = 0;
  const work = await countWork(world, async () => {
    hashes = await countHashes(async () => {
      const answer = await callApi(url, 'POST', '/auth/login', {
        body: { identifier, password },
        headers: { 'x-forwarded-for': newAddress() },
      });
      assert.equal(answer.status, status, identifier);
    });
  });
  const queries = work.queries.filter((sql) => !isOfHost(sql));
  return { ...work, queries, hashes };
}

/** Ten failures, without the work of hashing ten times. */
async function close(key: string): Promise<void> {
  const quarter = 15 * 60_000;
  const budget = { bucket: 'login-account', key, limit: 10, windowMs: quarter, blockMs: quarter };
  for (let i = 0; i < 10; i += 1) await deps.rateLimits.hit(budget);
}

test('wrong password, unknown, suspended and without a password: one hash, the same statements', async () => {
  const suspended = await addUser(world, 'suspended');
  const { tenantId } = people;
  await deps.lifecycle.suspend({ tenantId, userId: suspended.id });
  await deps.users.create({ tenantId, email: 'bare@lotus.example' });
  const wrong = await workOf(people.user.email, 'wrong', 401);
  assert.equal(wrong.hashes, 1);
  assert.ok(wrong.queries.length > 0 && wrong.scripts > 0);
  for (const [identifier, password] of [
    ['nobody@lotus.example', 'wrong'],
    [suspended.identifier, suspended.password],
    [suspended.identifier, 'wrong'],
    ['bare@lotus.example', 'wrong'],
    [people.user.email, 'x'.repeat(1_024)],
  ] as const) {
    assert.deepEqual(await workOf(identifier, password, 401), wrong, identifier);
  }
});

test('a closed account and a closed name that nobody has: the same hash and statements as a wrong password', async () => {
  const wrong = await workOf(people.user.email, 'wrong', 401);
  const known = await addUser(world, 'closed');
  await close(`user:${known.id}`);
  await close('name:nobody-closed@lotus.example');
  const closed = await workOf(known.identifier, known.password, 423);
  assert.equal(closed.hashes, 1);
  assert.deepEqual(closed.queries, wrong.queries);
  assert.deepEqual(await workOf('nobody-closed@lotus.example', 'wrong', 423), closed);
});

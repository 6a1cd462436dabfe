import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSignIn, TRUSTING } from './sign-in-support.ts';
import { addUser, createWorld, startTwin } from './support.ts';

/** Guesses in parallel (CVE-2024-4629): counting happens before the password is looked at. */

const world = await createWorld({ settings: TRUSTING });
const GUESSES = 50;

const countByStatus = (tries: { status: number }[]) =>
  Object.fromEntries(
    Object.entries(Object.groupBy(tries, ({ status }) => String(status))).map(([key, group]) => [
      Number(key),
      group?.length,
    ]),
  );

test('fifty guesses at once from one address get six tries (CVE-2024-4629)', async () => {
  const { attempt } = await openSignIn(world);
  const tries = await Promise.all(
    Array.from({ length: GUESSES }, (_, i) => attempt(`guess-${i}`, 'wrong', '203.0.113.1')),
  );
  assert.deepEqual(countByStatus(tries), { 401: 6, 429: GUESSES - 6 });
});

test('fifty guesses at once at one account, each from elsewhere, get ten tries (CVE-2024-4629)', async () => {
  const victim = await addUser(world, 'victim');
  const { attempt } = await openSignIn(world);
  const tries = await Promise.all(
    Array.from({ length: GUESSES }, (_, i) =>
      attempt(victim.identifier, 'wrong', `198.51.100.${i + 1}`),
    ),
  );
  assert.deepEqual(countByStatus(tries), { 401: 10, 423: GUESSES - 10 });
});

test('two processes count together', async () => {
  const twin = await startTwin(world);
  const victim = await addUser(world, 'shared');
  const pages = [await openSignIn(world), await openSignIn(world, twin.url)];
  const tries = await Promise.all(
    Array.from({ length: GUESSES }, async (_, i) =>
      pages[i % 2]?.attempt(victim.identifier, 'wrong', `192.0.2.${i + 1}`),
    ),
  );
  const statuses = countByStatus(tries.map((one) => ({ status: one?.status ?? 0 })));
  assert.deepEqual(statuses, { 401: 10, 423: GUESSES - 10 });
});

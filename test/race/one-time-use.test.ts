import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Answer,
  basic,
  eventsOf,
  isDeadEverywhere,
  obtainCode,
  postForm,
  refresh,
  signInForTokens,
  startRacers,
} from '../flows/support.ts';

/**
 * One-time values under fire: two processes on one database and Redis,
 * each with a store that answers five milliseconds late, so that reads and the
 * writes that follow them interleave.
 */

const PARALLEL = 100;
const ROUNDS = 3;

const { world, twin } = await startRacers();
const { client, deps } = world;
const instances = [world.url, twin.url];

const inParallel = (use: (url: string) => Promise<Answer>): Promise<Answer[]> =>
  Promise.all(
    Array.from({ length: PARALLEL }, (_, index) => use(instances[index % 2] ?? world.url)),
  );

/** One success, and of the others each a plain refusal. */
function assertOneWon(answers: Answer[]): Answer {
  const byStatus = Object.groupBy(answers, ({ status }) => String(status));
  const counts = Object.fromEntries(
    Object.entries(byStatus).map(([status, group]) => [status, group?.length]),
  );
  assert.deepEqual(counts, { 200: 1, 400: PARALLEL - 1 });
  for (const { body } of byStatus['400'] ?? []) assert.equal(body.error, 'invalid_grant');
  const [winner] = byStatus['200'] ?? [];
  assert.ok(winner);
  return winner;
}

for (let round = 1; round <= ROUNDS; round += 1) {
  test(`of ${PARALLEL} uses of one code at once exactly one succeeds, round ${round} (ASVS 10.4.2)`, async () => {
    const { form } = await obtainCode(world);
    const winner = assertOneWon(
      await inParallel((url) => postForm(`${url}/token`, form, basic(client))),
    );
    // The others were replays, and a replay ends what the first use gave.
    assert.ok(await isDeadEverywhere(world.url, client, String(winner.body.access_token)));
    const refreshed = await refresh(world.url, client, String(winner.body.refresh_token));
    assert.equal(refreshed.body.error, 'invalid_grant');
  });

  test(`of ${PARALLEL} uses of one refresh token at once exactly one succeeds, round ${round} (RFC 9700 2.2.2)`, async () => {
    const { refreshToken } = await signInForTokens(world);
    const before = (await eventsOf(deps)).length;
    const winner = assertOneWon(await inParallel((url) => refresh(url, client, refreshToken)));
    assert.ok(await isDeadEverywhere(world.url, client, String(winner.body.access_token)));
    assert.ok(await isDeadEverywhere(twin.url, client, String(winner.body.access_token)));
    const successor = await refresh(twin.url, client, String(winner.body.refresh_token));
    assert.equal(successor.body.error, 'invalid_grant');
    const types = (await eventsOf(deps)).slice(before).map(({ type }) => type);
    assert.equal(types.filter((type) => type === 'identity.session.revoked.v1').length, 1);
    assert.equal(types.filter((type) => type === 'identity.user.security_incident.v1').length, 1);
  });
}

test('different refresh tokens at once all rotate: the guard is per token', async () => {
  const codes = [];
  const { agent } = await signInForTokens(world);
  for (let i = 0; i < 20; i += 1) codes.push(await obtainCode(world, { agent }));
  const tokens = await Promise.all(
    codes.map(({ form }) => postForm(`${world.url}/token`, form, basic(client))),
  );
  const answers = await Promise.all(
    tokens.map(({ body }, index) =>
      refresh(instances[index % 2] ?? world.url, client, String(body.refresh_token)),
    ),
  );
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
});

test('nothing in these races was an error of ours', () => {
  for (const { logs } of [world, twin]) {
    const errors = logs.filter(({ level }) => level === 'error');
    assert.deepEqual(errors, []);
  }
});

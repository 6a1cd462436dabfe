import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import pg from 'pg';
import { type Answer, refresh, signInForTokens } from '../flows/support.ts';
import { install, until } from './support.ts';

/**
 * Kills without warning while refresh tokens rotate. What a client was told
 * holds: its newest token works, and none that it used before lives again
 * (CVE-2026-9802).
 */

const installation = await install('crash');
const { url, client, stores } = installation;

/** One client's chain of refresh tokens; each family has a session and grant of its own. */
interface Family {
  newest: string;
  used: string[];
  /** Sent, and no answer came. */
  isUncertain: boolean;
  /** Rotations after which it rests; its newest token is then beyond doubt. */
  rests: number;
}

const FAMILIES = 10;

async function startFamilies(): Promise<Family[]> {
  const families: Family[] = [];
  for (let i = 0; i < FAMILIES; i += 1) {
    const { refreshToken } = await signInForTokens(installation);
    const rests = i % 2 === 0 ? 3 : Number.POSITIVE_INFINITY;
    families.push({ newest: refreshToken, used: [], isUncertain: false, rests });
  }
  return families;
}

/** Rotates until it rests or the server is gone. */
async function rotate(family: Family, isOver: () => boolean): Promise<void> {
  while (family.used.length < family.rests && !isOver()) {
    let answer: Answer;
    try {
      answer = await refresh(url, client, family.newest);
    } catch {
      family.isUncertain = true;
      return;
    }
    if (answer.status === 503) {
      family.isUncertain = true;
      return;
    }
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    family.used.push(family.newest);
    family.newest = String(answer.body.refresh_token);
  }
}

/** Whether the database has this token, used or not. */
async function stateOf(token: string): Promise<'live' | 'used' | 'lost'> {
  const database = new pg.Client(stores.databaseUrl);
  await database.connect();
  const { rows } = await database.query(
    'SELECT consumed_at FROM oidc_refresh_tokens WHERE id_hash = $1',
    [createHash('sha256').update(token).digest()],
  );
  await database.end();
  if (!rows[0]) return 'lost';
  return rows[0].consumed_at === null ? 'live' : 'used';
}

async function assertNothingLost(families: Family[]): Promise<void> {
  for (const family of families) {
    assert.ok(family.used.length > 0, 'every family rotated');
    const state = await stateOf(family.newest);
    assert.notEqual(state, 'lost', 'a token that was handed out is there after the crash');
    if (!family.isUncertain) assert.equal(state, 'live');
    const answer = await refresh(url, client, family.newest);
    // Where no answer came, the token may have been used by the request that died.
    assert.equal(answer.status, state === 'live' ? 200 : 400, JSON.stringify(answer.body));
  }
  for (const { used } of families) {
    for (const token of [used.at(-1) ?? '', used[0] ?? '']) {
      const answer = await refresh(url, client, token);
      assert.equal(answer.status, 400);
      assert.equal(answer.body.error, 'invalid_grant', 'a used token stays dead');
    }
  }
}

/** Lets families rotate until each has done so a few times, then pulls the plug. */
async function crashDuringLoad(families: Family[], crash: () => Promise<void>): Promise<void> {
  let isOver = false;
  const load = Promise.all(families.map((family) => rotate(family, () => isOver)));
  await until(async () => families.every(({ used }) => used.length >= 3), 30_000, 'under load');
  await crash();
  isOver = true;
  await load;
}

for (const round of [1, 2]) {
  test(`kill -9 of the server under load loses no answered refresh token, round ${round}`, async () => {
    const families = await startFamilies();
    await crashDuringLoad(families, async () => {
      installation.server.kill('SIGKILL');
      await installation.server.exited;
    });
    await installation.start();
    await assertNothingLost(families);
  });
}

test('kill -9 of Postgres under load loses no answered refresh token, and the server recovers', async () => {
  const families = await startFamilies();
  await crashDuringLoad(families, () => stores.postgres.crash());
  const during = await refresh(url, client, families[0]?.newest ?? '');
  assert.equal(during.status, 503);
  assert.equal(during.body.error, 'temporarily_unavailable');
  await stores.postgres.restart();
  const isReady = async () => (await fetch(`${url}/health/ready`)).status === 200;
  await until(isReady, 10_000, 'recovery without a restart of the server');
  await assertNothingLost(families);
});

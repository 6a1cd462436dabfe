import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import { decodeJwt } from 'jose';
import pg from 'pg';
import { parseConfig } from '../../src/config.ts';
import { createDeps } from '../../src/deps.ts';
import { type SignedIn, signInForTokens } from '../flows/support.ts';
import { startLogoutReceiver, verifyLogoutToken } from '../helpers/logout-receiver.ts';
import { install, until } from './support.ts';

/** Logouts that are owed while Redis, where the queue is, goes away or loses everything. */

const receiver = await startLogoutReceiver();
const installation = await install('logout', {
  OUTBOUND_ALLOWED_HOSTS: receiver.host,
  // Longer than the sweep takes to come round: a lost job is not there by itself.
  BACKCHANNEL_LOGOUT_BACKOFF: '4000',
});
const { url, client, people, stores } = installation;
/** The service in this process too, for what no page does. */
const deps = await createDeps(parseConfig({ ...installation.environment, LOG_LEVEL: 'silent' }));
after(() => deps.close());

const database = new pg.Pool({ connectionString: stores.databaseUrl, max: 1 });
database.on('error', () => {});
after(() => database.end());
await database.query(
  `UPDATE clients SET metadata = metadata || jsonb_build_object('backchannel_logout_uri', $1::text)
    WHERE client_id = $2`,
  [receiver.url, client.clientId],
);

/** A hang is a failure, not a wait. */
const LIMIT = { timeout: 120_000 };

/** Milliseconds within which a logout must have arrived once Redis is back: a few sweeps. */
const ARRIVAL = 45_000;

const sidOf = ({ idToken }: SignedIn): string => String(decodeJwt(idToken).sid);

async function rowOf(sid: string) {
  const text = 'SELECT * FROM backchannel_logouts WHERE session_id = $1';
  return (await database.query(text, [sid])).rows[0];
}

const openLogout = ({ agent, idToken }: SignedIn) =>
  agent.follow(`${url}/logout?${new URLSearchParams({ id_token_hint: idToken })}`);

const hasArrived = async (sid: string): Promise<boolean> =>
  (await rowOf(sid))?.state === 'delivered';

test(
  'Redis down at the moment of the logout: the client is told once it is back',
  LIMIT,
  async () => {
    const signedIn = await signInForTokens(installation);
    const sid = sidOf(signedIn);
    const page = await openLogout(signedIn);
    await stores.redis.crash();
    // Whoever logs out then stays signed in and is told: nothing has happened.
    const { response } = await signedIn.agent.submit(page, '/logout/confirm', { logout: 'yes' });
    assert.equal(response.status, 503);
    assert.equal(await rowOf(sid), undefined);
    // An administrator's end is committed; only its access tokens may live on, which is told.
    const ended = deps.sessions.end({
      ...{ tenantId: people.tenantId, userId: people.user.id, sessionId: sid },
      reason: 'ended_by_administrator',
    });
    await assert.rejects(ended, { code: 'IDENT_UNAVAILABLE' });
    const row = await rowOf(sid);
    assert.deepEqual([row.state, row.attempts], ['pending', 0]);
    assert.equal(receiver.received.length, 0);
    await stores.redis.restart();
    await until(() => hasArrived(sid), ARRIVAL, 'the logout');
    assert.equal(receiver.received.length, 1);
    const { payload } = await verifyLogoutToken(
      url,
      client.clientId,
      receiver.received[0]?.token ?? '',
    );
    assert.equal(payload.sid, sid);
  },
);

test(
  'Redis loses everything between two tries: the client is told all the same',
  LIMIT,
  async () => {
    const signedIn = await signInForTokens(installation);
    const sid = sidOf(signedIn);
    const before = receiver.received.length;
    receiver.answer(503);
    await signedIn.agent.submit(await openLogout(signedIn), '/logout/confirm', { logout: 'yes' });
    await receiver.waitFor(before + 1);
    await until(async () => (await rowOf(sid)).last_status === 503, ARRIVAL, 'the first try');
    const redis = new Redis(stores.redis.url);
    await redis.flushall();
    redis.disconnect();
    await until(() => hasArrived(sid), ARRIVAL, 'the logout');
    assert.equal(receiver.received.length, before + 2);
    assert.equal((await rowOf(sid)).attempts, 2);
  },
);

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSignIn } from './sign-in-support.ts';
import {
  basic,
  createWorld,
  eventsOf,
  postForm,
  refresh,
  signInForTokens,
  startTwin,
} from './support.ts';

const world = await createWorld();
const { deps, people, url, client } = world;
const { knex } = deps.postgres;

interface AuditRow {
  id: string;
  type: string;
  subject: string;
  tenant_id: string | null;
  request_id: string | null;
  data: Record<string, unknown>;
}

const auditLog = (): Promise<AuditRow[]> => knex('audit_log').orderBy('seq');

test('what happens is in the audit log after the outbox was drained, in order (ASVS 16.3.1)', async () => {
  await deps.outbox.drain();
  const before = (await auditLog()).length;
  const { attempt } = await openSignIn(world);
  await attempt(people.user.email, 'wrong password');
  const signedIn = await signInForTokens(world);
  await refresh(url, client, signedIn.refreshToken);
  await refresh(url, client, signedIn.refreshToken);
  assert.equal((await auditLog()).length, before, 'nothing before the relay has run');
  assert.ok((await deps.outbox.drain()) > 0);
  const rows = (await auditLog()).slice(before);
  assert.deepEqual(
    rows.map(({ type }) => type),
    [
      'identity.user.login_failed.v1',
      'identity.user.logged_in.v1',
      'identity.session.created.v1',
      'identity.session.revoked.v1',
      'identity.user.security_incident.v1',
    ],
  );
  for (const row of rows) {
    assert.equal(row.tenant_id, people.tenantId, row.type);
    assert.match(row.request_id ?? '', /^[0-9a-f-]{36}$/, row.type);
  }
});

test('draining again, or by several workers at once, writes nothing twice', async () => {
  await signInForTokens(world);
  await Promise.all(Array.from({ length: 8 }, () => deps.outbox.drain()));
  assert.equal(await deps.outbox.drain(), 0);
  const events = await eventsOf(deps);
  const rows = await auditLog();
  assert.equal(rows.length, events.length);
  assert.equal(new Set(rows.map(({ id }) => id)).size, rows.length);
});

test('the audit log is append-only: neither update nor delete nor truncate', async () => {
  await deps.outbox.drain();
  const rows = await auditLog();
  for (const statement of [
    `UPDATE audit_log SET type = 'x'`,
    'DELETE FROM audit_log',
    'TRUNCATE audit_log',
  ]) {
    await assert.rejects(knex.raw(statement), /append-only/, statement);
  }
  assert.deepEqual(await auditLog(), rows);
});

test('audit and outbox hold no secret and no name that was typed', async () => {
  const { accessToken, refreshToken, idToken } = await signInForTokens(world);
  await deps.outbox.drain();
  const text = JSON.stringify([await auditLog(), await eventsOf(deps)]);
  const { email, password } = people.user;
  for (const secret of [accessToken, refreshToken, idToken, email, password, client.clientSecret]) {
    assert.ok(!text.includes(secret));
  }
});

test('a request id of the caller ties its answer to the audit log', async () => {
  const requestId = 'trace-me.4711';
  const signedIn = await signInForTokens(world);
  await refresh(url, client, signedIn.refreshToken);
  const form = { grant_type: 'refresh_token', refresh_token: signedIn.refreshToken };
  const answer = await postForm(`${url}/token`, form, {
    ...basic(client),
    'x-request-id': requestId,
  });
  assert.equal(answer.headers.get('x-request-id'), requestId);
  await deps.outbox.drain();
  const rows = (await auditLog()).filter(({ request_id }) => request_id === requestId);
  assert.deepEqual(rows.map(({ type }) => type).sort(), [
    'identity.session.revoked.v1',
    'identity.user.security_incident.v1',
  ]);
});

test('lag is measured while events wait, and 0 when none do', async () => {
  await deps.outbox.drain();
  assert.equal((await deps.outbox.lag()).total, 0);
  await knex('outbox_events').insert({
    id: '01900000-0000-7000-8000-000000000001',
    type: 'identity.user.logged_in.v1',
    subject: people.user.id,
    data: '{}',
    occurred_at: new Date(Date.now() - 60_000),
  });
  assert.ok((await deps.outbox.lag()).total >= 60);
  const twin = await startTwin(world);
  assert.equal(await twin.deps.outbox.drain(), 1);
  assert.equal((await deps.outbox.lag()).total, 0);
});

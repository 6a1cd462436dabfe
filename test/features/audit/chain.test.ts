import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import pg from 'pg';
import { up as outboxAndAudit } from '../../../migrations/0005_outbox_and_audit.ts';
import { up as auditChain } from '../../../migrations/0019_audit_chain.ts';
import { createAuditService } from '../../../src/features/audit/index.ts';
import { createPostgres } from '../../../src/infra/postgres.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { onServer } from '../../helpers/database.ts';
import { openOutbox, range } from '../outbox/support.ts';

const { knex, write, relay, url } = await openOutbox();
const audit = createAuditService({ knex });

/** A tenant with so many entries of two subjects; its chain holds. */
async function makeChain(entries: number): Promise<string> {
  const tenantId = newId();
  const [one, two] = [newId(), newId()];
  const half = entries / 2;
  await Promise.all([write(one, 1, half, tenantId), write(two, 1, half, tenantId)]);
  await relay([]).drain();
  const report = await audit.verify(tenantId);
  assert.equal(report.broken, null);
  assert.equal(report.length, entries);
  return tenantId;
}

/** Does what only the owner of the tables can: sets the triggers aside. */
async function tamper(sql: string, values: Record<string, unknown> = {}): Promise<void> {
  await knex.transaction(async (trx) => {
    await trx.raw('ALTER TABLE audit_log DISABLE TRIGGER USER');
    await trx.raw(sql, values as never);
    await trx.raw('ALTER TABLE audit_log ENABLE TRIGGER USER');
  });
}

const idAt = async (tenantId: string, position: number): Promise<string> =>
  (await knex('audit_log').where({ tenant_id: tenantId, position }).first()).id;

test('a changed fact is found, whichever it is, at the first entry that it touches (ASVS 16.4.2)', async () => {
  const tenantId = await makeChain(6);
  const id = await idAt(tenantId, 3);
  const original = await knex('audit_log').where({ id }).first();
  const changes: Record<string, unknown> = {
    type: 'identity.other.v1',
    subject: 'x',
    actor_id: 'somebody',
    request_id: 'r',
    data: '{"n": 4711}',
    occurred_at: new Date(0),
    seq: 1,
    hash: Buffer.alloc(32),
  };
  for (const [column, value] of Object.entries(changes)) {
    await tamper(`UPDATE audit_log SET ${column} = :value WHERE id = :id`, { value, id });
    const { broken } = await audit.verify(tenantId);
    assert.deepEqual(broken, { fault: 'altered', position: 3, eventId: id }, column);
    const back = column === 'data' ? JSON.stringify(original.data) : original[column];
    await tamper(`UPDATE audit_log SET ${column} = :back WHERE id = :id`, { back, id });
  }
  assert.equal((await audit.verify(tenantId)).broken, null);
});

test('an entry taken out, two that change places, and one that moves to another tenant are found', async () => {
  const removed = await makeChain(6);
  await tamper('DELETE FROM audit_log WHERE tenant_id = :removed AND position = 4', { removed });
  assert.deepEqual((await audit.verify(removed)).broken, {
    fault: 'missing',
    position: 4,
    eventId: null,
  });

  const swapped = await makeChain(6);
  const [two, five] = [await idAt(swapped, 2), await idAt(swapped, 5)];
  await tamper('UPDATE audit_log SET position = -1 WHERE id = :two', { two });
  await tamper('UPDATE audit_log SET position = 2 WHERE id = :five', { five });
  await tamper('UPDATE audit_log SET position = 5 WHERE id = :two', { two });
  assert.deepEqual((await audit.verify(swapped)).broken, {
    fault: 'altered',
    position: 2,
    eventId: five,
  });

  const [from, to] = [await makeChain(2), await makeChain(2)];
  const id = await idAt(from, 2);
  await tamper('UPDATE audit_log SET tenant_id = :to, position = 3 WHERE id = :id', { to, id });
  assert.equal((await audit.verify(from)).broken?.fault, 'truncated');
  assert.deepEqual((await audit.verify(to)).broken, { fault: 'added', position: 3, eventId: null });
});

test('the end taken off is found by the head of the chain, and by a checkpoint where that is set back too', async () => {
  const tenantId = await makeChain(6);
  const { length, hash } = await audit.verify(tenantId);
  const checkpoint = { tenantId, length, hash };
  await tamper('DELETE FROM audit_log WHERE tenant_id = :tenantId AND position > 4', { tenantId });
  assert.deepEqual((await audit.verify(tenantId)).broken, {
    fault: 'truncated',
    position: 5,
    eventId: null,
  });
  await tamper(
    `UPDATE audit_chains SET length = 4, hash = (SELECT hash FROM audit_log
       WHERE tenant_id = :tenantId AND position = 4) WHERE id = :tenantId`,
    { tenantId },
  );
  assert.equal((await audit.verify(tenantId)).broken, null, 'the database alone cannot tell');
  assert.equal((await audit.verify(tenantId, checkpoint)).broken?.fault, 'truncated');
  await write(newId(), 1, 2, tenantId);
  await relay([]).drain();
  assert.deepEqual((await audit.verify(tenantId, checkpoint)).broken?.fault, 'rewritten');
  await tamper('DELETE FROM audit_chains WHERE id = :tenantId', { tenantId });
  assert.equal((await audit.verify(tenantId)).broken?.fault, 'added');
});

test('parallel writers of any release make one chain, without a fork or a gap', async () => {
  const tenantId = newId();
  const subjects = range(1, 6).map(() => newId());
  await Promise.all(subjects.map((subject) => write(subject, 1, 20, tenantId)));
  /** As the release before copied events: row by row what it could lock, without a hash. */
  async function copyAsBefore(): Promise<void> {
    const client = new pg.Client(url);
    await client.connect();
    for (;;) {
      const { rowCount } = await client.query(
        `WITH batch AS (
           SELECT id FROM outbox_events WHERE published_at IS NULL
            ORDER BY seq LIMIT 7 FOR UPDATE SKIP LOCKED
         ), logged AS (
           INSERT INTO audit_log (id, seq, type, subject, tenant_id, actor_id, request_id, data, occurred_at)
           SELECT e.id, e.seq, e.type, e.subject, e.tenant_id, e.actor_id, e.request_id, e.data, e.occurred_at
             FROM outbox_events e JOIN batch USING (id) ORDER BY e.seq
           ON CONFLICT (id) DO NOTHING
         ) UPDATE outbox_events e SET published_at = now() FROM batch WHERE e.id = batch.id`,
      );
      if (rowCount === 0) break;
    }
    await client.end();
  }
  await Promise.all([copyAsBefore(), copyAsBefore(), relay([]).drain(), relay([]).drain()]);
  await relay([]).drain();
  const report = await audit.verify(tenantId);
  assert.equal(report.broken, null);
  assert.equal(report.length, 120);
});

test('an entry that is written twice is there once, and its chain holds', async () => {
  const tenantId = await makeChain(2);
  await knex('outbox_events').where({ tenant_id: tenantId }).update({ published_at: null });
  await relay([]).drain();
  const report = await audit.verify(tenantId);
  assert.deepEqual([report.length, report.broken], [2, null]);
});

test('a log from before there were chains is linked by the migration, in order', async () => {
  const database = new URL(url);
  database.pathname = `${database.pathname}_before`;
  const name = database.pathname.slice(1);
  await onServer(`CREATE DATABASE ${name}`);
  const postgres = createPostgres({
    url: database.href,
    poolSize: 6,
    acquireTimeout: 30_000,
    statementTimeout: 30_000,
    onError() {},
  });
  after(async () => {
    await postgres.close();
    await onServer(`DROP DATABASE ${name} WITH (FORCE)`);
  });
  const tenants = [newId(), newId(), null];
  await postgres.knex.transaction(async (trx) => {
    await outboxAndAudit(trx);
    for (const seq of range(1, 9)) {
      await trx('audit_log').insert({
        id: newId(),
        seq,
        type: 'identity.test.counted.v1',
        subject: 'ñ, 3:abc,',
        tenant_id: tenants[seq % 3] ?? null,
        data: { n: seq, deep: [{ b: 1.5, a: null }] },
        occurred_at: new Date(),
      });
    }
    await auditChain(trx);
  });
  const old = createAuditService({ knex: postgres.knex });
  for (const tenantId of tenants) {
    const report = await old.verify(tenantId);
    assert.deepEqual([report.length, report.broken], [3, null]);
  }
  await assert.rejects(postgres.knex('audit_log').update({ subject: 'x' }), /append-only/);
});

test('events of no tenant have a chain of their own', async () => {
  await write(newId(), 1, 3, null);
  await relay([]).drain();
  assert.ok((await audit.listChains()).includes(null));
  const report = await audit.verify(null);
  assert.deepEqual([report.length, report.broken], [3, null]);
});

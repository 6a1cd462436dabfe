import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { parseConfig } from '../../src/config.ts';
import { createDeps } from '../../src/deps.ts';
import { createAuditService } from '../../src/features/audit/index.ts';
import { openNats, skipNats } from '../helpers/brokers.ts';
import { freePort } from '../helpers/gatehouse.ts';
import { createMailbox } from '../helpers/mailbox.ts';
import { type ServerProcess, startProcess } from '../helpers/process.ts';
import { type Installation, install, until } from './support.ts';

/**
 * 10,000 events while everything that carries them is killed: what was committed
 * reaches every sink, in order per subject, and people get their mail once.
 */

const USERS = 200;
const EVENTS_EACH = 50;
const TOTAL = USERS * EVENTS_EACH;

/** Milliseconds that Redis and the broker are away. */
const OUTAGE = 20_000;

/** Milliseconds for anything to happen; jobs of a worker that was killed rest for half a minute. */
const PATIENCE = 180_000;

/** A worker beside the first: it answers on a port of its own, so that it is seen to be ready. */
async function startWorker({ environment }: Installation): Promise<ServerProcess> {
  return startProcess({ ...environment, PORT: String(await freePort()), RUN_MODE: 'all' });
}

function startWriter({ environment, people }: Installation): ChildProcess {
  const program = fileURLToPath(new URL('./event-writer.ts', import.meta.url));
  const own = { TENANT_ID: people.tenantId, EVENTS_EACH: String(EVENTS_EACH) };
  return spawn(process.execPath, [program], {
    env: { PATH: process.env.PATH, ...environment, ...own },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

interface Sent {
  id: string;
  subject: string;
}

/** All that is in the stream, in its order. */
async function readStream(url: string): Promise<Sent[]> {
  const { host, username, password } = new URL(url);
  const connection = await connect({ servers: host, user: username, pass: password });
  const manager = await jetstreamManager(connection);
  const stream = await manager.streams.find('identity.>');
  const { messages } = (await manager.streams.info(stream)).state;
  await manager.consumers.add(stream, { durable_name: 'reader', ack_policy: AckPolicy.None });
  const consumer = await jetstream(connection).consumers.get(stream, 'reader');
  const sent: Sent[] = [];
  while (sent.length < messages) {
    for await (const message of await consumer.fetch({ max_messages: 1_000, expires: 30_000 })) {
      sent.push(message.json());
      if (sent.length === messages) break;
    }
  }
  await connection.close();
  return sent;
}

const bySubject = (events: readonly Sent[]): Record<string, string[]> => {
  const groups = Map.groupBy(events, ({ subject }) => subject);
  return Object.fromEntries(
    [...groups].map(([subject, all]) => [subject, all.map(({ id }) => id)]),
  );
};

test('10,000 events: kill -9 of writer and workers, Redis and the broker away for 20 s; none is lost, none out of order, each mail once', {
  skip: skipNats,
  timeout: 600_000,
}, async (t) => {
  const nats = await openNats();
  const mailbox = await createMailbox();
  const installation = await install('events', { NATS_URL: nats.url, SMTP_URL: mailbox.url });
  const { stores, people } = installation;
  const second = { server: await startWorker(installation) };
  const pool = new pg.Pool({ connectionString: stores.databaseUrl, max: 2 });
  pool.on('error', () => {});
  const deps = await createDeps(parseConfig({ ...installation.environment, LOG_LEVEL: 'silent' }));
  let writer: ChildProcess | undefined;
  after(async () => {
    writer?.kill('SIGKILL');
    second.server.kill('SIGKILL');
    await second.server.exited;
    await deps.close();
    await pool.end();
  });
  const count = async (sql: string): Promise<number> => Number((await pool.query(sql)).rows[0].n);
  const written = () =>
    count(`SELECT count(*) AS n FROM outbox_events e JOIN users u ON u.id::text = e.subject
            WHERE u.email LIKE 'reader-%'`);
  const waiting = () =>
    count(`SELECT (SELECT count(*) FROM outbox_deliveries)
                + (SELECT count(*) FROM outbox_events WHERE published_at IS NULL) AS n`);

  // Each gets a mail, which follows from the event.
  for (let i = 0; i < USERS; i += 1) {
    await deps.users.create({ tenantId: people.tenantId, email: `reader-${i}@lotus.example` });
  }
  writer = startWriter(installation);

  await until(async () => (await written()) > TOTAL * 0.2, PATIENCE, 'a fifth is written');
  writer.kill('SIGKILL');
  await once(writer, 'exit');
  writer = startWriter(installation);

  await until(async () => (await written()) > TOTAL * 0.3, PATIENCE, 'a third is written');
  installation.server.kill('SIGKILL');
  await installation.server.exited;
  await installation.start();
  await until(async () => (await waiting()) > 0, PATIENCE, 'something is under way');
  second.server.kill('SIGKILL');
  await second.server.exited;
  second.server = await startWorker(installation);

  const before = await written();
  await Promise.all([stores.redis.crash(), nats.crash()]);
  const end = performance.now() + OUTAGE;
  await until(async () => performance.now() > end, PATIENCE, 'the outage is over');
  assert.ok((await written()) > before, 'events were written meanwhile');
  await Promise.all([stores.redis.restart(), nats.start()]);

  if (writer.exitCode === null) await once(writer, 'exit');
  assert.equal(writer.exitCode, 0);
  assert.equal(await written(), TOTAL);
  await until(async () => (await waiting()) === 0, PATIENCE, 'every sink has every event');
  const readers = () => new Set(mailbox.mails.flatMap(({ to }) => to)).size;
  await until(async () => readers() === USERS, PATIENCE, 'everybody has mail');

  const { rows } = await pool.query<Sent>('SELECT id, subject FROM outbox_events ORDER BY seq');
  const sent = await readStream(nats.url);
  assert.equal(sent.length, rows.length, 'each once, though some were sent again');
  assert.deepEqual(bySubject(sent), bySubject(rows));

  const audit = createAuditService({ knex: deps.postgres.knex });
  const reports = await Promise.all((await audit.listChains()).map((id) => audit.verify(id)));
  assert.ok(reports.every(({ broken }) => broken === null));
  assert.equal(
    reports.reduce((sum, { length }) => sum + length, 0),
    rows.length,
  );
  // A worker that dies between the mail server's 250 and its own note of it sends again: the same
  // mail by its Message-ID (RFC 5322 3.6.4), which readers see once.
  const mails = mailbox.mails.map(
    ({ to, raw }) => `${to.join()} ${/^Message-ID: .*$/im.exec(raw)?.[0]}`,
  );
  assert.equal(new Set(mails).size, USERS, 'one mail for each');
  t.diagnostic(
    `events: ${rows.length}; mails: ${USERS}, of which sent again: ${mails.length - USERS}`,
  );
});

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AckPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { createNatsSink } from '../../../src/infra/sinks/nats.ts';
import { Secret } from '../../../src/kernel/crypto.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { becomesTrue, getJson } from '../../flows/support.ts';
import { openNats, skipNats } from '../../helpers/brokers.ts';
import { freePort, startGatehouse } from '../../helpers/gatehouse.ts';
import { eventOf, ISSUER } from './support.ts';

const nats = skipNats ? undefined : await openNats();
const url = nats?.url ?? 'nats://127.0.0.1:1';

/** Whether every thread of a process has stopped; a signal takes its time on a busy machine. */
const isStopped = (pid: number): boolean =>
  readdirSync(`/proc/${pid}/task`).every((thread) =>
    / T /.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8').split(')')[1] ?? ''),
  );

interface Received {
  subject: string;
  id: string | undefined;
  contentType: string | undefined;
  event: Record<string, unknown>;
}

/** Everything in the stream, oldest first, as another service reads it. */
async function readAll(): Promise<Received[]> {
  const { hostname, port, username, password } = new URL(url);
  const connection = await connect({
    servers: `${hostname}:${port}`,
    user: username,
    pass: password,
  });
  const manager = await jetstreamManager(connection);
  const stream = await manager.streams.find('identity.>');
  const { messages } = (await manager.streams.info(stream)).state;
  const name = newId();
  await manager.consumers.add(stream, { durable_name: name, ack_policy: AckPolicy.None });
  const consumer = await jetstream(connection).consumers.get(stream, name);
  const received: Received[] = [];
  if (messages > 0) {
    for await (const message of await consumer.fetch({ max_messages: messages, expires: 10_000 })) {
      received.push({
        subject: message.subject,
        id: message.headers?.get('Nats-Msg-Id'),
        contentType: message.headers?.get('Content-Type'),
        event: message.json(),
      });
    }
  }
  await connection.close();
  return received;
}

test('events arrive in JetStream as CloudEvents: subject the type, Nats-Msg-Id the id, repeated ones once', {
  skip: skipNats,
}, async () => {
  const sink = createNatsSink({ url: new Secret(url), issuer: ISSUER });
  const [one, two] = [newId(), newId()];
  const events = [1, 2, 3].flatMap((n) => [eventOf(one, n), eventOf(two, n)]);
  await sink.publish(events);
  await sink.publish(events);
  const received = await readAll();
  assert.equal(received.length, 6);
  for (const { subject, id, contentType, event } of received) {
    assert.equal(subject, 'identity.user.logged_in.v1');
    assert.equal(contentType, 'application/cloudevents+json');
    assert.equal(event.id, id);
    assert.equal(event.source, ISSUER);
  }
  for (const subject of [one, two]) {
    const numbers = received
      .filter(({ event }) => event.subject === subject)
      .map(({ event }) => (event.data as { n: number }).n);
    assert.deepEqual(numbers, [1, 2, 3]);
  }
  await sink.close?.();
});

test('a broker that goes away fails a batch, and takes the next when it is back, without a restart', {
  skip: skipNats,
}, async () => {
  const sink = createNatsSink({ url: new Secret(url), issuer: ISSUER });
  await sink.ping();
  await nats?.stop();
  const events = [eventOf(newId(), 1)];
  await assert.rejects(sink.publish(events));
  await assert.rejects(sink.ping());
  await nats?.start();
  const before = (await readAll()).length;
  await sink.publish(events);
  assert.equal((await readAll()).length, before + 1);
  await sink.close?.();
});

test('a broker that is frozen holds a batch up for a bounded time only', {
  skip: skipNats,
}, async () => {
  const sink = createNatsSink({ url: new Secret(url), issuer: ISSUER });
  await sink.ping();
  process.kill(nats?.pid ?? 0, 'SIGSTOP');
  assert.ok(await becomesTrue(() => isStopped(nats?.pid ?? 0), 10_000));
  try {
    await assert.rejects(sink.publish([eventOf(newId(), 1)]));
  } finally {
    process.kill(nats?.pid ?? 0, 'SIGCONT');
  }
  const publishes = () =>
    sink.publish([eventOf(newId(), 1)]).then(
      () => true,
      () => false,
    );
  assert.ok(await becomesTrue(publishes, 30_000));
  await sink.close?.();
});

test('without its broker the service starts, is ready, and says that the broker is down', async () => {
  const port = await freePort();
  const { url: base, deps } = await startGatehouse({
    settings: {
      NATS_URL: `nats://127.0.0.1:${port}`,
      RABBITMQ_URL: `amqp://guest:guest@127.0.0.1:${port}`,
    },
  });
  const { status, body } = await getJson(`${base}/health/ready`);
  assert.equal(status, 200);
  assert.equal(body.status, 'degraded');
  const dependencies = body.dependencies as Record<string, string>;
  assert.deepEqual([dependencies.nats, dependencies.rabbitmq], ['down', 'down']);
  await deps.tenants.ensurePlatform();
  const tenant = await deps.tenants.create({ slug: 'acme', name: 'Acme' });
  await deps.users.create({ tenantId: tenant.id, username: 'an' });
  assert.ok((await deps.outbox.drain()) > 0, 'the audit log is written');
  const { sinks } = await deps.outbox.lag();
  assert.deepEqual(Object.keys(sinks).sort(), ['consumers', 'nats', 'rabbitmq']);
  const metrics = await (await fetch(`${base}/metrics`)).text();
  assert.match(metrics, /^auth_outbox_sink_failures_total\{sink="nats"\} 1$/m);
  assert.match(metrics, /^auth_dependency_up\{dep="nats"\} 0$/m);
});

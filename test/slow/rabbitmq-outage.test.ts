import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from 'amqplib';
import { createRabbitmqSink } from '../../src/infra/sinks/rabbitmq.ts';
import { Secret } from '../../src/kernel/crypto.ts';
import { newId } from '../../src/kernel/ids.ts';
import { becomesTrue } from '../flows/support.ts';
import { openRabbitmq, skipRabbitmq } from '../helpers/brokers.ts';
import { eventOf, ISSUER } from '../infra/sinks/support.ts';

/** Milliseconds for a broker to be back on a busy machine. */
const PATIENCE = 60_000;

const rabbitmq = skipRabbitmq ? undefined : await openRabbitmq();
const url = rabbitmq?.url ?? 'amqp://127.0.0.1:1';

/** What is in the durable queue of another service, or is bound to it now. */
async function openQueue(queue: string) {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  await channel.assertQueue(queue, { durable: true });
  await channel.bindQueue(queue, 'identity_events', 'identity.#');
  const read = async () => (await channel.get(queue, { noAck: true })) || undefined;
  return { read, close: () => connection.close() };
}

test('a broker that goes away fails a batch, and takes the next when it is back, without a restart', {
  skip: skipRabbitmq,
}, async () => {
  const sink = createRabbitmqSink({ url: new Secret(url), issuer: ISSUER });
  await sink.ping();
  const before = await openQueue('listener');
  const [earlier, event] = [eventOf(newId(), 1), eventOf(newId(), 2)];
  await sink.publish([earlier]);
  await before.close();
  await rabbitmq?.stop();
  await assert.rejects(sink.publish([event]));
  await assert.rejects(sink.ping());
  await rabbitmq?.start();
  const publishes = () =>
    sink.publish([event]).then(
      () => true,
      () => false,
    );
  assert.ok(await becomesTrue(publishes, PATIENCE));
  const after = await openQueue('listener');
  assert.equal((await after.read())?.properties.messageId, earlier.id, 'it was persistent');
  assert.equal((await after.read())?.properties.messageId, event.id);
  await after.close();
  await sink.close?.();
});

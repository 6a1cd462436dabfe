import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { type ConsumeMessage, connect } from 'amqplib';
import { createRabbitmqSink } from '../../../src/infra/sinks/rabbitmq.ts';
import { Secret } from '../../../src/kernel/crypto.ts';
import { newId } from '../../../src/kernel/ids.ts';
import { becomesTrue } from '../../flows/support.ts';
import { openRabbitmq, skipRabbitmq } from '../../helpers/brokers.ts';
import { eventOf, ISSUER } from './support.ts';

/** Milliseconds for messages to arrive on a busy machine. */
const PATIENCE = 30_000;

const rabbitmq = skipRabbitmq ? undefined : await openRabbitmq();
const url = rabbitmq?.url ?? 'amqp://127.0.0.1:1';

/** Another service with a queue of its own on both exchanges. */
async function listen() {
  const connection = await connect(url);
  connection.on('error', () => {});
  after(() => connection.close().catch(() => {}));
  const channel = await connection.createChannel();
  const { queue } = await channel.assertQueue('listener', { durable: true });
  for (const exchange of ['identity_events', 'session_manager']) {
    await channel.bindQueue(queue, exchange, 'identity.#');
  }
  const messages: ConsumeMessage[] = [];
  await channel.consume(queue, (message) => message && messages.push(message), { noAck: true });
  return messages;
}

const bodyOf = (message: ConsumeMessage) =>
  JSON.parse(message.content.toString()) as { id: string; subject: string; data: { n: number } };

test('events arrive on the exchange of their kind: routing key the type, persistent, message id the id, in order per subject', {
  skip: skipRabbitmq,
}, async () => {
  const sink = createRabbitmqSink({ url: new Secret(url), issuer: ISSUER });
  await sink.ping();
  const messages = await listen();
  const [user, session] = [newId(), newId()];
  const events = [1, 2, 3].flatMap((n) => [
    eventOf(user, n),
    eventOf(session, n, 'identity.session.created.v1'),
  ]);
  await sink.publish(events);
  assert.ok(await becomesTrue(() => messages.length === 6, PATIENCE));
  for (const message of messages) {
    const { fields, properties } = message;
    const isSession = bodyOf(message).subject === session;
    assert.equal(fields.exchange, isSession ? 'session_manager' : 'identity_events');
    const type = isSession ? 'identity.session.created.v1' : 'identity.user.logged_in.v1';
    assert.equal(fields.routingKey, type);
    assert.equal(properties.messageId, bodyOf(message).id);
    assert.equal(properties.deliveryMode, 2);
    assert.equal(properties.contentType, 'application/cloudevents+json');
  }
  for (const subject of [user, session]) {
    const numbers = messages.map(bodyOf).filter((body) => body.subject === subject);
    assert.deepEqual(
      numbers.map(({ data }) => data.n),
      [1, 2, 3],
    );
  }
  await sink.close?.();
});

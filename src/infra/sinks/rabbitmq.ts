import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { CLOUD_EVENT_TYPE, toCloudEvent } from '../../kernel/cloud-events.ts';
import type { Secret } from '../../kernel/crypto.ts';
import type { PublishedEvent } from '../../kernel/events.ts';
import { EXCHANGES, exchangeOf } from './exchange.ts';
import { sendInOrder } from './in-order.ts';
import { CONNECT_TIMEOUT, createLazyConnection, within } from './lazy-connection.ts';
import type { BrokerSink } from './nats.ts';

/** Milliseconds that the broker has to confirm an event. */
const CONFIRM_TIMEOUT = 4_000;

/** Seconds between two signs of life. */
const HEARTBEAT = 10;

interface Link {
  connection: ChannelModel;
  channel: ConfirmChannel;
}

async function openChannel(connection: ChannelModel, onLost: () => void): Promise<ConfirmChannel> {
  const channel = await connection.createConfirmChannel();
  // Both come without a listener as exceptions that end the process.
  channel.on('error', onLost);
  channel.on('close', onLost);
  for (const name of EXCHANGES) await channel.assertExchange(name, 'topic', { durable: true });
  return channel;
}

function send(channel: ConfirmChannel, event: PublishedEvent, issuer: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const content = Buffer.from(JSON.stringify(toCloudEvent(event, issuer)));
  const properties = {
    persistent: true,
    messageId: event.id,
    type: event.type,
    contentType: CLOUD_EVENT_TYPE,
    timestamp: Math.floor(Date.parse(event.occurredAt) / 1_000),
    appId: 'gatehouse',
  };
  channel.publish(exchangeOf(event.type), event.type, content, properties, (error: unknown) =>
    error ? reject(error) : resolve(),
  );
  return within(promise, CONFIRM_TIMEOUT, 'RabbitMQ');
}

/**
 * RabbitMQ: topic exchanges, the type as routing key, persistent, each confirmed
 * by the broker. What is lost connects again with the next batch.
 */
export function createRabbitmqSink(options: { url: Secret; issuer: string }): BrokerSink {
  const link = createLazyConnection<Link>(
    'RabbitMQ',
    async (onLost) => {
      const url = new URL(options.url.reveal());
      url.searchParams.set('heartbeat', String(HEARTBEAT));
      const connection = await connect(url.href, {
        timeout: CONNECT_TIMEOUT,
        clientProperties: { connection_name: 'gatehouse' },
      });
      connection.on('error', onLost);
      connection.on('close', onLost);
      try {
        return { connection, channel: await openChannel(connection, onLost) };
      } catch (error) {
        await connection.close().catch(() => {});
        throw error;
      }
    },
    ({ connection }) => connection.close(),
  );
  return {
    name: 'rabbitmq',
    async publish(events) {
      const { channel } = await link.get();
      try {
        await sendInOrder(events, (event) => send(channel, event, options.issuer));
      } catch (error) {
        link.drop();
        throw error;
      }
    },
    async ping() {
      const { channel } = await link.get();
      await within(channel.checkExchange(EXCHANGES[0]), CONFIRM_TIMEOUT, 'RabbitMQ');
    },
    close: () => link.close(),
  };
}

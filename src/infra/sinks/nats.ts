import { type JetStreamClient, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { CLOUD_EVENT_TYPE, toCloudEvent } from '../../kernel/cloud-events.ts';
import type { Secret } from '../../kernel/crypto.ts';
import type { EventSink, PublishedEvent } from '../../kernel/events.ts';
import { sendInOrder } from './in-order.ts';
import { CONNECT_TIMEOUT, createLazyConnection } from './lazy-connection.ts';

/** The stream that is made where none takes our subjects; an operator's own is left as it is. */
export const STREAM = 'IDENTITY';
const SUBJECTS = 'identity.>';

/** Milliseconds that the stream has to say that it has an event. */
const ACK_TIMEOUT = 4_000;

const DAY_NS = 24 * 3_600 * 1_000_000_000;

/** What the stream that we make keeps, and for how long it knows a repeated event by its id. */
const LIMITS = { max_age: 30 * DAY_NS, duplicate_window: 600 * 1_000_000_000 };

interface Link {
  connection: NatsConnection;
  stream: JetStreamClient;
}

/** A broker that events go to; without it the service works, and they wait. */
export interface BrokerSink extends EventSink {
  /** Rejects when the broker does not answer. */
  ping(): Promise<void>;
}

/** `nats://user:password@host:4222`, or several with commas between them; `tls://` encrypts. */
function toOptions(url: string) {
  const servers = url.split(',').map((one) => new URL(one.trim()));
  const [first] = servers;
  const user = decodeURIComponent(first?.username ?? '');
  const pass = decodeURIComponent(first?.password ?? '');
  const login = pass === '' ? { token: user } : { user, pass };
  return {
    servers: servers.map(({ host }) => host),
    ...(user === '' ? {} : login),
    ...(first?.protocol === 'tls:' ? { tls: {} } : {}),
  };
}

async function ensureStream(connection: NatsConnection): Promise<void> {
  const manager = await jetstreamManager(connection, { timeout: CONNECT_TIMEOUT });
  const isThere = await manager.streams.find(SUBJECTS).then(
    () => true,
    () => false,
  );
  if (!isThere) await manager.streams.add({ name: STREAM, subjects: [SUBJECTS], ...LIMITS });
}

/**
 * NATS JetStream: the subject is the event's type, `Nats-Msg-Id` its id. What is
 * lost connects again with the next batch, so that nothing old is sent late.
 */
export function createNatsSink(options: { url: Secret; issuer: string }): BrokerSink {
  const link = createLazyConnection<Link>(
    'NATS',
    async (onLost) => {
      const connection = await connect({
        ...toOptions(options.url.reveal()),
        name: 'gatehouse',
        timeout: CONNECT_TIMEOUT,
        reconnect: false,
        pingInterval: 5_000,
        maxPingOut: 2,
      });
      connection.closed().then(onLost, onLost);
      try {
        await ensureStream(connection);
      } catch (error) {
        await connection.close();
        throw error;
      }
      return { connection, stream: jetstream(connection, { timeout: ACK_TIMEOUT }) };
    },
    ({ connection }) => connection.close(),
  );

  async function send({ stream }: Link, event: PublishedEvent): Promise<void> {
    const head = headers();
    head.set('Content-Type', CLOUD_EVENT_TYPE);
    await stream.publish(event.type, JSON.stringify(toCloudEvent(event, options.issuer)), {
      msgID: event.id,
      headers: head,
      timeout: ACK_TIMEOUT,
    });
  }

  return {
    name: 'nats',
    async publish(events) {
      const current = await link.get();
      try {
        await sendInOrder(events, (event) => send(current, event));
      } catch (error) {
        link.drop();
        throw error;
      }
    },
    async ping() {
      await (await link.get()).connection.rtt();
    },
    close: () => link.close(),
  };
}

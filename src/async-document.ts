import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { exchangeOf } from './infra/sinks/exchange.ts';
import { CLOUD_EVENT_TYPE, dataSchemaOf, envelopeOf } from './kernel/cloud-events.ts';
import type { EventType } from './kernel/events.ts';
import { sampleOf } from './kernel/json-sample.ts';
import type { Json } from './kernel/openapi.ts';

const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };

/** The schema that readers hold an event to: it may gain members, which break nobody. */
function readerSchema(schema: z.ZodType): Json {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: 'output',
    // What AsyncAPI 3.0 builds on.
    target: 'draft-7',
    unrepresentable: 'any',
    reused: 'inline',
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  return rest as Json;
}

const ref = (...path: string[]): Json => ({ $ref: `#/${path.join('/')}` });

function describeEvent(event: EventType, issuer: string) {
  const { type, summary } = event;
  const data = readerSchema(event.data);
  const envelope = readerSchema(envelopeOf(event)) as Json & { properties: Json };
  const payload = {
    ...envelope,
    properties: { ...envelope.properties, data: ref('components', 'schemas', type) },
  };
  const sample = { ...(sampleOf(envelope) as Json), dataschema: dataSchemaOf(issuer, type) };
  const exchange = { name: exchangeOf(type), type: 'topic', durable: true };
  return {
    type,
    data,
    channel: {
      address: type,
      title: type,
      description: `NATS: the subject of that name. RabbitMQ: the exchange \`${exchange.name}\`, the address as routing key.`,
      messages: { event: ref('components', 'messages', type) },
      bindings: { amqp: { is: 'routingKey', exchange, bindingVersion: '0.3.0' } },
    },
    operation: {
      action: 'send',
      summary,
      channel: ref('channels', type),
      messages: [ref('channels', type, 'messages', 'event')],
    },
    message: {
      name: type,
      title: type,
      summary,
      contentType: CLOUD_EVENT_TYPE,
      payload,
      examples: [{ name: 'example', payload: sample }],
    },
  };
}

/** The AsyncAPI 3 document of the events, as served and as committed. */
export function asyncApiDocument(events: readonly EventType[], issuer: string): Json {
  const described = events.map((event) => describeEvent(event, issuer));
  const byType = (pick: (one: (typeof described)[number]) => Json): Json =>
    Object.fromEntries(described.map((one) => [one.type, pick(one)]));
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Gatehouse',
      version,
      description:
        'Events of Gatehouse: CloudEvents 1.0 in JSON, sent at least once, in order per subject.',
    },
    defaultContentType: CLOUD_EVENT_TYPE,
    channels: byType(({ channel }) => channel),
    operations: byType(({ operation }) => operation),
    components: {
      messages: byType(({ message }) => message),
      schemas: byType(({ data }) => data),
    },
  };
}

import { z } from 'zod';
import type { EventType, PublishedEvent } from './events.ts';

/** Media type of one event in JSON (CloudEvents 1.0, JSON format 3). */
export const CLOUD_EVENT_TYPE = 'application/cloudevents+json';

/**
 * An event as others get it (CloudEvents 1.0). What is not known is left out:
 * an attribute is never null (CloudEvents 1.0, type system).
 */
export interface CloudEvent {
  specversion: '1.0';
  id: string;
  /** The issuer. */
  source: string;
  type: string;
  /** Id of the aggregate that changed. */
  subject: string;
  /** When it happened: ISO 8601, UTC. */
  time: string;
  datacontenttype: 'application/json';
  dataschema: string;
  tenantid?: string;
  actorid?: string;
  requestid?: string;
  traceparent?: string;
  data: Record<string, unknown>;
}

/** Where the schema of an event's data is found. */
export const dataSchemaOf = (issuer: string, type: string): string =>
  `${issuer}/asyncapi.json#/components/schemas/${type}`;

const known = (name: string, value: string | null): Record<string, string> =>
  value === null || value === '' ? {} : { [name]: value };

/** Puts an event into its envelope. */
export const toCloudEvent = (event: PublishedEvent, issuer: string): CloudEvent => ({
  specversion: '1.0',
  id: event.id,
  source: issuer,
  type: event.type,
  subject: event.subject,
  time: event.occurredAt,
  datacontenttype: 'application/json',
  dataschema: dataSchemaOf(issuer, event.type),
  ...known('tenantid', event.tenantId),
  ...known('actorid', event.actorId),
  ...known('requestid', event.requestId),
  ...known('traceparent', event.traceparent),
  data: event.data,
});

/** What the envelope of an event of this type is like. */
export const envelopeOf = (event: EventType) =>
  z.object({
    specversion: z.literal('1.0'),
    id: z.uuid().describe('The same each time that the event is sent: forget repeated ones by it'),
    source: z.url().describe('The issuer'),
    type: z.literal(event.type),
    subject: z.string().min(1).describe('What changed; order is kept for each subject'),
    time: z.iso.datetime(),
    datacontenttype: z.literal('application/json'),
    dataschema: z.url(),
    tenantid: z.uuid().optional().describe('Left out for events of the platform'),
    actorid: z.string().min(1).optional().describe('A user or client; left out for the system'),
    requestid: z.string().min(1).optional(),
    traceparent: z
      .string()
      .min(1)
      .optional()
      .describe('W3C Trace Context; CloudEvents extension Distributed Tracing'),
    data: event.data,
  });

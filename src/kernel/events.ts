import type { z } from 'zod';

/** A declared event: its CloudEvents `type` and the schema of its `data`. */
export interface EventType<S extends z.ZodObject = z.ZodObject> {
  type: string;
  /** One sentence for the generated documentation. */
  summary: string;
  data: S;
}

/** Declares an event. The name ends in a version; a change that breaks readers takes a new one. */
export function defineEvent<S extends z.ZodObject>(
  type: `identity.${string}.v${number}`,
  summary: string,
  data: S,
): EventType<S> {
  return { type, summary, data: data.strict() as unknown as S };
}

/** What is said about an event beside its data. */
export interface EventFacts {
  /** Id of the aggregate that changed: the CloudEvents `subject`; order is kept per subject. */
  subject: string;
  tenantId: string | null;
  /** Who did it: a user or client id, or null for the system itself. Default: the request's actor. */
  actorId?: string | null;
}

/**
 * Writes an event to the outbox inside the caller's transaction `Trx`, so that
 * the change and its event are both there or both not.
 * @throws z.ZodError when `data` does not fit the declared schema
 */
export type Emit<Trx> = <S extends z.ZodObject>(
  trx: Trx,
  event: EventType<S>,
  facts: EventFacts,
  data: z.input<S>,
) => Promise<void>;

/** An event as it leaves the outbox. */
export interface PublishedEvent {
  id: string;
  type: string;
  /** Id of the aggregate that changed. */
  subject: string;
  tenantId: string | null;
  actorId: string | null;
  requestId: string | null;
  traceparent: string | null;
  data: Record<string, unknown>;
  /** ISO 8601, UTC. */
  occurredAt: string;
}

/**
 * Something of ours that follows from an event: a mail, a cache that forgets.
 * It is told after the commit, at least once and in no order, so that it must be
 * idempotent by the event's id; throwing means that it is told again.
 */
export interface EventConsumer {
  /** Unique; part of the id of its jobs, so that a new name is told again of what is waiting. */
  name: string;
  type: string;
  /** What an event must contain for anything to follow from it. */
  pattern: EventPattern;
  /** Whether anything follows from one that does. */
  concerns(event: PublishedEvent): boolean;
  handle(event: PublishedEvent): Promise<void>;
}

/** Events of one type; with `data`, those whose data has these members. */
export interface EventPattern {
  type: string;
  data?: Record<string, string | number | boolean>;
}

/**
 * Declares what follows from events of one type; `data` has passed the declared schema.
 * @param concerns tells from the event alone that nothing follows from it, so that frequent
 *   events cost no jobs; where it is members that the data must have, not even a delivery
 */
export const consumer = <S extends z.ZodObject>(
  name: string,
  event: EventType<S>,
  handle: (data: z.output<S>, event: PublishedEvent) => Promise<void>,
  concerns: ((data: z.output<S>) => boolean) | NonNullable<EventPattern['data']> = {},
): EventConsumer => ({
  name,
  type: event.type,
  pattern: {
    type: event.type,
    ...(typeof concerns === 'function' ? {} : { data: concerns }),
  },
  concerns({ data }) {
    if (typeof concerns === 'function') return concerns(data as z.output<S>);
    return Object.entries(concerns).every(([member, value]) => data[member] === value);
  },
  handle: (published) => handle(event.data.parse(published.data) as z.output<S>, published),
});

/** Where events go from the outbox: a broker, a queue. At least once, in order per subject. */
export interface EventSink {
  /** Unique; the sink's progress is kept under it. */
  name: string;
  /** Which events it wants, each by one of these at least; all of them where it does not say. */
  wants?(): readonly EventPattern[];
  /** Resolves when all of them are safe there. @throws when some may not be: all come again */
  publish(events: readonly PublishedEvent[]): Promise<void>;
  close?(): Promise<void>;
}

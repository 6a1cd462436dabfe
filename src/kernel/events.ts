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

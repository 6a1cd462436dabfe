/**
 * The audit log: the first reader of the outbox, append-only.
 * Must not be written by anyone else.
 */
export { createOutboxRelay, type OutboxRelay } from './relay.ts';

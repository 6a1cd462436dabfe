/**
 * The way of events from the outbox: into the audit log, then to each sink at
 * its own pace. Must not change what an event says, nor drop one that a sink
 * in use has not got.
 */
export {
  createOutboxRelay,
  OUTBOX_CHANNEL,
  type OutboxLag,
  type OutboxRelay,
} from './relay.ts';
export { createEventLog, type EventLog } from './replay.ts';
export type { EventFilter } from './replay-repository.ts';
export { listHistory } from './repository.ts';

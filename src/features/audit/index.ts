/**
 * The audit log: every event, append-only, one chain of hashes for each tenant.
 * Must not write it: the outbox does, and a trigger links the entries.
 */
export {
  type AuditService,
  type ChainReport,
  type Checkpoint,
  checkpoints,
  createAuditService,
} from './service.ts';

/**
 * Issuers that a tenant trusts, and who their subjects are here: verifies a
 * token of theirs and finds the user. Must not issue tokens nor create users.
 */

export { trustedIssuerEvents } from './events.ts';
export { listExternalIdentities } from './repository.ts';
export {
  type NewTrustedIssuer,
  newTrustedIssuer,
  type TrustedIssuer,
  trustedAlgs,
} from './schema.ts';
export {
  createTrustedIssuerService,
  type TrustedIssuerService,
  type TrustedSubject,
} from './service.ts';
export type { ForeignTokenType } from './verify.ts';

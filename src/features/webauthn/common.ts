import type { Knex } from 'knex';
import type { OneTimeChallenges } from '../../infra/one-time-challenges.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Emit } from '../../kernel/events.ts';
import type { Authenticator, UserRef } from '../mfa/index.ts';
import type { TenantService } from '../tenant/index.ts';
import type { Credential } from './schema.ts';
import type { RelyingParty } from './verify.ts';

export interface WebAuthnDeps {
  knex: Knex;
  clock: Clock;
  emit: Emit<Knex.Transaction>;
  tenants: Pick<TenantService, 'find'>;
  challenges: OneTimeChallenges;
  /** Milliseconds that a challenge lives, and browsers wait. */
  challengeLife: number;
  party: RelyingParty;
  /** Told why an answer showed nothing, which nobody else is. */
  onRefused(reason: string, userId: string | null): void;
}

/** Credentials that a user may have. */
export const MOST_CREDENTIALS = 5;

export const TYPE = 'webauthn';

/** What a challenge is good for: one kind of ceremony, of one user, where it began. */
export const boundTo = (kind: 'create' | 'get', user: UserRef | null, binding: string): string =>
  JSON.stringify([kind, user?.id ?? null, binding]);

export const toAuthenticator = (credential: Credential): Authenticator => ({
  id: credential.id,
  type: TYPE,
  name: credential.name,
  createdAt: credential.createdAt,
  lastUsedAt: credential.lastUsedAt,
  isSyncedType: credential.isSyncedType,
  isBackedUp: credential.isBackedUp,
  isDisabled: credential.disabledAt !== null,
});

/** Whom an event is about. */
export const facts = (user: UserRef) => ({ subject: user.id, tenantId: user.tenantId });

import type { Config } from '../config.ts';
import { createAuthenticators, createMfaReset } from '../features/authenticator/index.ts';
import { createRecoveryCodes } from '../features/recovery-code/index.ts';
import { createTotp } from '../features/totp/index.ts';
import { createWebAuthn } from '../features/webauthn/index.ts';
import { securityEvent } from '../infra/logger.ts';
import { CHALLENGE_LIFE, createOneTimeChallenges } from '../infra/one-time-challenges.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { AccountMeans } from './accounts.ts';
import type { Features } from './features.ts';

/** Whom passkeys belong to: a domain, and the pages of it and others that may use them. */
const relyingParty = ({ ISSUER, WEBAUTHN_RP_ID, WEBAUTHN_ORIGINS }: Config) => {
  const { hostname, origin } = new URL(ISSUER);
  return { id: WEBAUTHN_RP_ID ?? hostname, origins: [origin, ...WEBAUTHN_ORIGINS] };
};

/** What people prove who they are by, beside a password. */
export function createAuthenticatorParts(
  config: Config,
  infra: Infrastructure,
  { emit, tenants, sessions, users }: Features,
  { lookups }: Pick<AccountMeans, 'lookups'>,
) {
  const { clock, sealer, log } = infra;
  const { knex } = infra.postgres;
  const totp = createTotp({ knex, clock, emit, sealer });
  const recoveryCodes = createRecoveryCodes({ knex, clock, emit, lookups });
  const webauthn = createWebAuthn({
    ...{ knex, clock, emit, tenants },
    challenges: createOneTimeChallenges({ redis: infra.redis, clock }),
    challengeLife: CHALLENGE_LIFE,
    party: relyingParty(config),
    onRefused: (reason, userId) => securityEvent(log, 'auth.webauthn_refused', { reason, userId }),
  });
  const keepers = [webauthn, totp];
  const authenticators = createAuthenticators({ knex, emit, keepers, recoveryCodes, tenants });
  const mfaReset = createMfaReset({
    ...{ knex, clock, emit, authenticators, sessions, users },
    onBackgroundError: (error) => log.error({ err: error }, 'background work failed'),
  });
  return { totp, webauthn, recoveryCodes, authenticators, mfaReset };
}

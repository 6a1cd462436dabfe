import type { Config } from '../config.ts';
import { createChallengeStore, createGate, createMfaService } from '../features/mfa/index.ts';
import { createAdmission, createLockCheck } from '../features/sign-in/index.ts';
import type { Infrastructure } from '../infrastructure.ts';
import type { AccountMeans } from './accounts.ts';
import type { createAuthenticatorParts } from './authenticators.ts';
import type { Features } from './features.ts';
import type { Proofs } from './proofs.ts';
import { type createAttempts, type createBrowsers, reportSignIn } from './sign-in.ts';

interface MfaParts
  extends Pick<AccountMeans, 'challengeKeys' | 'messenger'>,
    Pick<Proofs, 'codes'>,
    ReturnType<typeof createAuthenticatorParts> {
  browsers: ReturnType<typeof createBrowsers>;
  attempts: ReturnType<typeof createAttempts>;
}

/** What decides at the door of every sign-in whether more is needed. */
export function createSecondFactorGate(
  config: Config,
  { redis, clock, sealer }: Infrastructure,
  features: Pick<Features, 'tenants' | 'users'>,
  parts: Pick<MfaParts, 'challengeKeys' | 'browsers' | 'recoveryCodes'>,
) {
  const store = createChallengeStore({
    ...{ redis, clock, sealer },
    keys: parts.challengeKeys,
    issuer: config.ISSUER,
  });
  return { store, ...createGate({ ...features, ...parts, store, clock }) };
}

/** The ways on from a challenge. */
export function createMfa(
  infra: Infrastructure,
  { emit, tenants, users }: Features,
  parts: MfaParts & ReturnType<typeof createSecondFactorGate>,
) {
  const { clock } = infra;
  const { knex } = infra.postgres;
  const { browsers, attempts, assertEnough } = parts;
  return createMfaService({
    ...parts,
    ...{ knex, clock, emit, tenants, users },
    ...createAdmission({ knex, clock, emit, browsers, secondFactor: { assertEnough } }),
    attempts: attempts.mfa,
    locks: createLockCheck({ attempts: attempts.login, browsers }),
    onResult: reportSignIn(infra),
  });
}

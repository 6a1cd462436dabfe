import {
  ADDRESS_POLICY,
  createAttemptLimits,
  createCodeSignIn,
  createDeviceCookieCodec,
  createKnownBrowsers,
  createPasskeySignIn,
  createSignInService,
  type SecondFactorCheck,
} from '../features/sign-in/index.ts';
import type { WebAuthnService } from '../features/webauthn/index.ts';
import { securityEvent } from '../infra/logger.ts';
import { ipBucket, ipNetwork, rateLimitHeaders } from '../infra/rate-limits.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { hmacSha256 } from '../kernel/crypto.ts';
import type { AccountMeans } from './accounts.ts';
import type { Features } from './features.ts';
import type { Proofs } from './proofs.ts';
import { createUnlockCodes } from './unlock-codes.ts';

/** Logs and counts what came of each sign-in. */
export const reportSignIn =
  ({ log, metrics }: Infrastructure): Parameters<typeof createSignInService>[0]['onResult'] =>
  (result, facts) => {
    metrics.loginTotal.inc({ result });
    if (result === 'locked') securityEvent(log, 'auth.lockout', facts);
    if (result === 'rate_limited') securityEvent(log, 'auth.rate_limited', facts);
    if (result === 'busy') securityEvent(log, 'auth.hash_busy', facts);
    if (result === 'failure') securityEvent(log, 'auth.login_failed', facts);
  };

/** The browsers that accounts know. */
export function createBrowsers({ postgres, clock }: Infrastructure, deviceKeys: readonly Buffer[]) {
  const [deviceKey = Buffer.alloc(0)] = deviceKeys;
  return createKnownBrowsers({
    knex: postgres.knex,
    clock,
    cookies: createDeviceCookieCodec(deviceKeys),
    digest: (value) => hmacSha256(deviceKey, value),
    networkOf: ipNetwork,
  });
}

/** Budgets of failed tries: of passwords and what stands for them, and of second factors. */
export const createAttempts = (
  { clock }: Infrastructure,
  { rateLimits }: Pick<Features, 'rateLimits'>,
) => ({
  login: createAttemptLimits(rateLimits, clock, ipBucket),
  mfa: createAttemptLimits(rateLimits, clock, ipBucket, 'mfa'),
});

/** What sign-in stands on beside the stores and features. */
interface SignInParts extends Pick<AccountMeans, 'messenger'>, Pick<Proofs, 'codes'> {
  browsers: ReturnType<typeof createBrowsers>;
  attempts: ReturnType<typeof createAttempts>;
  secondFactor: SecondFactorCheck;
  webauthn: WebAuthnService;
}

/** Sign-in, with its budgets of failed tries and the browsers that accounts know. */
export function createSignIn(
  infra: Infrastructure,
  features: Features,
  { messenger, codes, browsers, attempts, secondFactor, webauthn }: SignInParts,
) {
  const { log, passwords, clock } = infra;
  const { knex } = infra.postgres;
  const { emit, users, tenants } = features;
  const base = {
    ...{ knex, clock, emit, users, tenants, browsers, secondFactor },
    attempts: {
      ...attempts.login,
      async unlock(account: string, devices: readonly string[]) {
        await Promise.all(
          [attempts.login, attempts.mfa].map((one) => one.unlock(account, devices)),
        );
      },
    },
    limitHeaders: (state: Parameters<typeof rateLimitHeaders>[0]) =>
      rateLimitHeaders(state, ADDRESS_POLICY),
    onResult: reportSignIn(infra),
  };
  return {
    ...createSignInService({
      ...base,
      passwords,
      unlockCodes: createUnlockCodes(codes),
      onBackgroundError: (error) => log.error({ err: error }, 'background work failed'),
    }),
    ...createCodeSignIn({ ...base, codes, messenger }),
    ...createPasskeySignIn({ ...base, webauthn }),
  };
}

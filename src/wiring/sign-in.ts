import {
  ADDRESS_POLICY,
  createAttemptLimits,
  createCodeSignIn,
  createDeviceCookieCodec,
  createKnownBrowsers,
  createSignInService,
} from '../features/sign-in/index.ts';
import { securityEvent } from '../infra/logger.ts';
import { ipBucket, ipNetwork, rateLimitHeaders } from '../infra/rate-limits.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { hmacSha256 } from '../kernel/crypto.ts';
import type { AccountMeans } from './accounts.ts';
import type { Features } from './features.ts';
import type { Proofs } from './proofs.ts';
import { createUnlockCodes } from './unlock-codes.ts';

/** Logs and counts what came of each sign-in. */
const reportSignIn =
  ({ log, metrics }: Infrastructure): Parameters<typeof createSignInService>[0]['onResult'] =>
  (result, facts) => {
    metrics.loginTotal.inc({ result });
    if (result === 'locked') securityEvent(log, 'auth.lockout', facts);
    if (result === 'rate_limited') securityEvent(log, 'auth.rate_limited', facts);
    if (result === 'busy') securityEvent(log, 'auth.hash_busy', facts);
    if (result === 'failure') securityEvent(log, 'auth.login_failed', facts);
  };

/** Sign-in, with its budgets of failed tries and the browsers that accounts know. */
export function createSignIn(
  infra: Infrastructure,
  features: Features,
  {
    deviceKeys,
    messenger,
    codes,
  }: Pick<AccountMeans, 'deviceKeys' | 'messenger'> & Pick<Proofs, 'codes'>,
) {
  const { log, passwords, clock } = infra;
  const { knex } = infra.postgres;
  const { emit, users, tenants, rateLimits } = features;
  const [deviceKey = Buffer.alloc(0)] = deviceKeys;
  const base = {
    knex,
    clock,
    emit,
    users,
    tenants,
    attempts: createAttemptLimits(rateLimits, clock, ipBucket),
    limitHeaders: (state: Parameters<typeof rateLimitHeaders>[0]) =>
      rateLimitHeaders(state, ADDRESS_POLICY),
    browsers: createKnownBrowsers({
      knex,
      clock,
      cookies: createDeviceCookieCodec(deviceKeys),
      digest: (value) => hmacSha256(deviceKey, value),
      networkOf: ipNetwork,
    }),
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
  };
}

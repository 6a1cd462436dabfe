import { createOneTimeLinks } from '../features/one-time-link/index.ts';
import { securityEvent } from '../infra/logger.ts';
import type { Lookups } from '../infra/lookups.ts';
import { createOneTimeCodes } from '../infra/one-time-codes.ts';
import type { Infrastructure } from '../infrastructure.ts';

/** What people are sent to prove that an address is theirs: codes, counted, and links. */
export function createProofs(infra: Infrastructure, lookups: Lookups) {
  const { redis, clock, metrics, log } = infra;
  const codes = createOneTimeCodes({
    ...{ redis, clock, lookups },
    onResult(namespace, result) {
      metrics.otpTotal.inc({ namespace, result });
      if (result === 'closed') securityEvent(log, 'auth.lockout', { otpNamespace: namespace });
    },
  });
  const links = createOneTimeLinks({
    ...{ knex: infra.postgres.knex, clock },
    digest: (value) => lookups.digest('link', value),
  });
  return { codes, links };
}

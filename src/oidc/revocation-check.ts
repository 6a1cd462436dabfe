import type { SessionService } from '../features/session/index.ts';
import type { Revocations } from '../infra/revocations.ts';
import { createBreaker } from '../kernel/breaker.ts';
import type { RevocationCheck } from './access-tokens.ts';
import { isUnavailable } from './dependency-errors.ts';

/**
 * Whether an access token was revoked: the set in Redis tells, and while Redis
 * is away the records in Postgres that it is made of. So a valid token goes on
 * opening what it opened, and a revoked one opens nothing. With both away it
 * throws: callers fail closed (ASVS 16.5.3).
 */
export function createRevocationCheck(
  revocations: Pick<Revocations, 'isRevoked'>,
  sessions: Pick<SessionService, 'isRevokedOnRecord'>,
): RevocationCheck {
  const breaker = createBreaker(isUnavailable);
  return {
    isRevoked: (ids) =>
      breaker(
        () => revocations.isRevoked(ids),
        () => sessions.isRevokedOnRecord(ids),
      ),
  };
}

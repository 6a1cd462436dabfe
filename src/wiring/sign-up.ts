import { createSignUpService } from '../features/sign-up/index.ts';
import type { UserLifecycle } from '../features/user/index.ts';
import { ipBucket } from '../infra/rate-limits.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { AppError } from '../kernel/errors.ts';
import type { Features } from './features.ts';

/** Registrations from one address, whichever way they come. */
const TURNS = { bucket: 'register-address', limit: 60, windowMs: 3_600_000 };

/** Accounts that people make for themselves. */
export function createSignUp(
  { postgres, clock, passwords, metrics }: Infrastructure,
  features: Features,
  lifecycle: UserLifecycle,
) {
  return createSignUpService({
    ...features,
    knex: postgres.knex,
    clock,
    passwords,
    lifecycle,
    async takeTurn(clientIp) {
      const turn = await features.rateLimits.hit({ ...TURNS, key: ipBucket(clientIp) });
      if (turn.allowed) return;
      throw new AppError('IDENT_RATE_LIMITED', { retryAfter: turn.retryAfterSeconds });
    },
    onResult: (result) => metrics.registerTotal.inc({ result }),
  });
}

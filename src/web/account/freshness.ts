import type { LiveSession } from '../../features/session/index.ts';
import type { UserService } from '../../features/user/index.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { SignInRequest } from './sign-in-port.ts';

/** Seconds since the sign-in within which sensitive things can be changed (ASVS 7.5.1). */
export const FRESH = 900;

/** What one factor gives, and what has to be asked for where there is a second one. */
const ONE_FACTOR = 'urn:gatehouse:acr:1fa';
const TWO_FACTORS = 'urn:gatehouse:acr:2fa';

/** What has to be proved again before something sensitive; undefined where nothing has. */
export async function missingProof(
  deps: { clock: Clock; users: Pick<UserService, 'findSecondFactors'> },
  { userId, acr, authTime }: LiveSession,
  wanted: true | 'one-factor',
): Promise<Pick<SignInRequest, 'fresh' | 'acr'> | undefined> {
  const isOld = deps.clock.now() / 1_000 - authTime > FRESH;
  const hasSecond = wanted === true && (await deps.users.findSecondFactors(userId)).length > 0;
  const lacksSecond = hasSecond && (acr === null || acr === ONE_FACTOR);
  if (!isOld && !lacksSecond) return undefined;
  return {
    ...(isOld ? { fresh: { maxAge: FRESH } } : {}),
    ...(hasSecond ? { acr: TWO_FACTORS } : {}),
  };
}

import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import { type Actor, AUTH } from './actor.ts';
import { ChallengeError, stepUpRequired } from './challenge.ts';
import type { Route, StepUp } from './route.ts';

/** How the token came, and so how a challenge must ask for another. */
type Scheme = 'Bearer' | 'DPoP';

/** RFC 9470: is the authentication behind the token strong and fresh enough? */
function assertStepUp(actor: Actor, need: StepUp, clock: Clock, scheme: Scheme): void {
  // Only a person can authenticate again; machines are held by scope and permission.
  if (actor.kind !== 'user') return;
  const { acrValues, maxAge } = need;
  const strong = !acrValues || (actor.acr !== null && acrValues.includes(actor.acr));
  const age =
    actor.authTime === null ? Number.POSITIVE_INFINITY : clock.now() / 1_000 - actor.authTime;
  if (!strong || (maxAge !== undefined && age > maxAge)) throw stepUpRequired(need, scheme);
}

/**
 * What a route asks of its caller and the credential itself can answer: kind of
 * actor, scope, strength and freshness of the authentication.
 * @throws ChallengeError or AppError IDENT_FORBIDDEN
 */
export function assertMayCall(
  route: Route,
  actor: Actor,
  clock: Clock,
  scheme: Scheme = 'Bearer',
): void {
  if (!AUTH[route.auth].actors.includes(actor.kind)) {
    throw new AppError('IDENT_FORBIDDEN', { detail: 'Not for this kind of caller' });
  }
  if (route.firstParty && actor.kind === 'user' && !actor.isFirstParty) {
    throw new AppError('IDENT_FORBIDDEN', { detail: 'Not for applications of others' });
  }
  if (route.scope !== undefined && !actor.scopes.has(route.scope)) {
    const scope = route.scope;
    throw new ChallengeError('IDENT_FORBIDDEN', { scheme, error: 'insufficient_scope', scope });
  }
  if (route.stepUp) assertStepUp(actor, route.stepUp, clock, scheme);
}

import { errors, type ResourceServer } from 'oidc-provider';
import type { SigningAlg } from './keys.ts';

/**
 * Scopes of the platform's own API: `tenant:{resource}:{action}`. A client gets
 * those that its registration names, and no others.
 */
export const platformScopes = ['users', 'clients', 'sessions', 'audit'].flatMap((resource) => [
  `tenant:${resource}:read`,
  `tenant:${resource}:write`,
]);

export const openidScopes = ['openid', 'offline_access', 'profile', 'email', 'phone'];

/** The identifier (RFC 8707) and audience of the platform's own resource server. */
export const platformResource = (issuer: string): string => `${issuer}/api`;

/**
 * The resource server behind an indicator. The scopes of OpenID Connect are
 * among those of the platform's, so that its token opens userinfo as well.
 * @throws InvalidTarget for an indicator that is not known here (RFC 8707 2)
 */
export function findResourceServer(
  indicator: string,
  options: { issuer: string; alg: SigningAlg; registeredScope: string | undefined },
): ResourceServer {
  if (indicator !== platformResource(options.issuer)) throw new errors.InvalidTarget();
  const registered = new Set(options.registeredScope?.split(' '));
  return {
    scope: [...openidScopes, ...platformScopes.filter((scope) => registered.has(scope))].join(' '),
    audience: indicator,
    accessTokenFormat: 'jwt',
    jwt: { sign: { alg: options.alg } },
  };
}

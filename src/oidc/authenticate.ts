import type { StoredClient } from '../features/client/index.ts';
import type { Actor, Credentials } from '../kernel/http/index.ts';
import type { AccessTokenClaims, AccessTokenVerifier } from './access-tokens.ts';
import { mayHoldTokens, type TenantAccount } from './claims.ts';
import { platformResource } from './resources.ts';

const scopesOf = (claims: AccessTokenClaims): ReadonlySet<string> =>
  new Set(claims.scope?.split(' ').filter(Boolean));

/**
 * Authenticates callers of the API by access tokens of this issuer that are
 * meant for it. A user who was suspended since is nobody, and so is one who has
 * left the tenant that the token acts in.
 */
export function createAuthenticate(options: {
  issuer: string;
  verifier(): AccessTokenVerifier;
  findAccount(accountId: string): Promise<TenantAccount | undefined>;
  /** An enabled client; undefined for one that was disabled or deleted. */
  findClient(clientId: string): Promise<StoredClient | undefined>;
}): (credentials: Credentials) => Promise<Actor | null> {
  const audience = platformResource(options.issuer);
  return async (credentials) => {
    // A DPoP-bound token needs its proof checked; until that is served, none is let in.
    if (credentials.scheme !== 'bearer') return null;
    const claims = await options.verifier().verify(credentials.token);
    if (!claims || ![claims.aud].flat().includes(audience) || claims.cnf) return null;
    if (!(await options.findClient(claims.client_id))) return null;
    const base = { tenantId: claims.tid ?? null, scopes: scopesOf(claims) };
    if (claims.sub === claims.client_id) {
      return { ...base, kind: 'client', clientId: claims.client_id, via: 'token' };
    }
    const account = await options.findAccount(claims.sub);
    if (!account || !mayHoldTokens(account.user)) return null;
    if (claims.tid !== undefined && !account.tenantIds.includes(claims.tid)) return null;
    return {
      ...base,
      kind: 'user',
      userId: claims.sub,
      tenantIds: account.tenantIds,
      clientId: claims.client_id,
      sessionId: claims.sid ?? null,
      amr: claims.amr ?? [],
      acr: claims.acr ?? null,
      authTime: claims.auth_time ?? null,
    };
  };
}

import type { Grant, KoaContextWithOIDC } from 'oidc-provider';
import { findActingTenant, type PolicyDeps } from './policy.ts';
import type { TenantGrant } from './token-claims.ts';

/** What is asked for and not yet granted, in the three places where the engine keeps grants. */
export interface MissingConsent {
  oidcScopes: string[];
  oidcClaims: string[];
  resourceScopes: Record<string, string[]>;
}

/** Adds to a grant what a first-party client asks for or a person has allowed. */
export function addToGrant(grant: Grant, missing: MissingConsent): void {
  if (missing.oidcScopes.length > 0) grant.addOIDCScope(missing.oidcScopes.join(' '));
  if (missing.oidcClaims.length > 0) grant.addOIDCClaims(missing.oidcClaims);
  for (const [resource, scopes] of Object.entries(missing.resourceScopes)) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
}

/** All that this request asks for, less what the grant has met already. */
function missingFrom(grant: Grant, ctx: KoaContextWithOIDC): MissingConsent {
  const { requestParamOIDCScopes, requestParamScopes, requestParamClaims } = ctx.oidc;
  const hasScope = new Set(grant.getOIDCScopeEncountered().split(' '));
  const hasClaim = new Set(grant.getOIDCClaimsEncountered());
  const resourceScopes: Record<string, string[]> = {};
  for (const [resource, server] of Object.entries(ctx.oidc.resourceServers ?? {})) {
    const has = new Set(grant.getResourceScopeEncountered(resource).split(' '));
    const offered = new Set((server as unknown as { scopes: Set<string> }).scopes);
    const wanted = [...requestParamScopes].filter((s) => offered.has(s) && !has.has(s));
    if (wanted.length > 0) resourceScopes[resource] = wanted;
  }
  return {
    oidcScopes: [...requestParamOIDCScopes].filter((scope) => !hasScope.has(scope)),
    oidcClaims: [...requestParamClaims].filter((claim) => !hasClaim.has(claim)),
    resourceScopes,
  };
}

const isEmpty = (missing: MissingConsent): boolean =>
  missing.oidcScopes.length === 0 &&
  missing.oidcClaims.length === 0 &&
  Object.keys(missing.resourceScopes).length === 0;

/**
 * The grant for this authorization: that of the consent just given, else the
 * session's for this client, if it is for the same acting tenant. A first-party
 * client gets one without a question; it holds all that the client asks for.
 */
export async function loadGrant(
  ctx: KoaContextWithOIDC,
  deps: PolicyDeps,
): Promise<Grant | undefined> {
  const { client, account, session, provider, result } = ctx.oidc;
  if (!client || !account) return undefined;
  const tenantId = await findActingTenant(ctx, deps);
  if (!tenantId) return undefined;
  const grantId = result?.consent?.grantId ?? session?.grantIdFor(client.clientId);
  const found = grantId ? await provider.Grant.find(grantId) : undefined;
  const isUsable =
    found?.accountId === account.accountId &&
    found.clientId === client.clientId &&
    (found as TenantGrant).tid === tenantId;
  const stored = await deps.findClient(client.clientId);
  if (!stored?.isFirstParty) return isUsable ? found : undefined;
  const grant =
    isUsable && found
      ? found
      : new provider.Grant({ accountId: account.accountId, clientId: client.clientId });
  const missing = missingFrom(grant, ctx);
  if (isUsable && isEmpty(missing)) return grant;
  (grant as TenantGrant).tid = tenantId;
  addToGrant(grant, missing);
  await grant.save();
  return grant;
}

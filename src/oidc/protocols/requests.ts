import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import {
  assertFapiRequest,
  assertFapiRequestAlg,
  isFapi,
  isFromTheFuture,
} from '../fapi-profile.ts';
import type { ProviderDeps } from '../provider.ts';
import type { Features } from './index.ts';

/** Claims that a signed backchannel request has to have (OpenID Connect CIBA Core 7.1.1). */
const BACKCHANNEL_CLAIMS = ['exp', 'iat', 'nbf', 'jti'];

/** The engine has checked signature, issuer, audience and times; this is what else there is. */
function assertRequestObject(
  ctx: KoaContextWithOIDC,
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
): void {
  if (isFromTheFuture(claims)) {
    throw new errors.InvalidRequestObject('Request Object was issued in the future');
  }
  if (ctx.oidc.route === 'backchannel_authentication') {
    const missing = BACKCHANNEL_CLAIMS.find((claim) => claims[claim] === undefined);
    if (missing) throw new errors.InvalidRequestObject(`Request Object is missing '${missing}'`);
    // Times without bounds would bound nothing (FAPI-CIBA 5.2.2): an hour, as in FAPI 2.0.
    assertFapiRequest(claims);
  }
  if (!isFapi(ctx.oidc.client)) return;
  assertFapiRequest(claims);
  // What was pushed is kept as an unsigned object, and comes here once more.
  if (!('PushedAuthorizationRequest' in ctx.oidc.entities)) assertFapiRequestAlg(header);
}

/** How an authorization may be asked for and answered: PAR, JAR, JARM, `claims`. */
export const requests = (_deps: ProviderDeps) =>
  ({
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: { enabled: true, assertJwtClaimsAndHeader: assertRequestObject },
    jwtResponseModes: { enabled: true },
    claimsParameter: { enabled: true },
  }) satisfies Features;

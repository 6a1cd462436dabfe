import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import {
  type Certificate,
  type DpopProof,
  engineConfiguration,
  type GrantHelpers,
  thumbprintOf,
} from '../internals.ts';

/** What the client proves to hold in this request. */
export interface Proofs {
  dPoP: DpopProof | undefined;
  /** SHA-256 thumbprint of its certificate (RFC 8705 3.1). */
  x5t: string | undefined;
  /** The certificate that the new token is bound to; undefined where the client is not registered so. */
  certificate: Certificate | undefined;
}

/** The certificate of the request's client, where mutual TLS is served (RFC 8705). */
function peerCertificate(ctx: KoaContextWithOIDC): Certificate | undefined {
  const { mTLS } = engineConfiguration(ctx.oidc.provider).features;
  return mTLS.enabled ? mTLS.getCertificate(ctx) : undefined;
}

/**
 * Checks the proofs that come with the request: a DPoP proof is used up here.
 * @throws InvalidDpopProof, UseDpopNonce, InvalidGrant as for the engine's own grants
 */
export async function readProofs(ctx: KoaContextWithOIDC, helpers: GrantHelpers): Promise<Proofs> {
  const { client } = ctx.oidc;
  if (!client) throw new errors.InvalidClientAuth('client not found');
  const dPoP = await helpers.validateDpop(ctx);
  helpers.checkDpopRequired(ctx, dPoP);
  const certificate = helpers.checkMtlsCert(ctx);
  await helpers.checkDpopReplay(ctx, dPoP, client.clientId, errors.InvalidGrant);
  const peer = certificate ?? peerCertificate(ctx);
  return { dPoP, certificate, x5t: peer === undefined ? undefined : thumbprintOf(peer) };
}

/**
 * Holds a bound token to its key: whoever only has the token cannot launder it
 * into one without a binding (RFC 9700 4.10.1).
 * @throws InvalidRequest
 */
export function assertBoundTo(
  token: { jkt: string | undefined; x5t: string | undefined },
  proofs: Proofs,
  what: string,
): void {
  if (token.jkt !== undefined && token.jkt !== proofs.dPoP?.thumbprint) {
    throw new errors.InvalidRequest(`the ${what} is bound to a key that was not proven`);
  }
  if (token.x5t !== undefined && token.x5t !== proofs.x5t) {
    throw new errors.InvalidRequest(`the ${what} is bound to another client certificate`);
  }
}

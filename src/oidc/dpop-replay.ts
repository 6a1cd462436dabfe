import { errors, Provider } from 'oidc-provider';

/** Members of the engine's replay detection that its types leave out. */
interface PatchableReplayDetection {
  unique(issuer: string, jti: string, exp: number): Promise<boolean>;
}

/** The `jti` of the DPoP proof that the present request came with; the engine has verified it. */
function jtiOfProof(): unknown {
  const payload = Provider.ctx?.get('DPoP').split('.')[1];
  return payload ? JSON.parse(Buffer.from(payload, 'base64url').toString()).jti : undefined;
}

/**
 * Upstream answers a proof that was used before with the error of what it came
 * for: `invalid_grant` tells a client to throw its code or refresh token away,
 * although these are as good as before. What is invalid is the proof (RFC 9449
 * 4.3, 5, 7.1).
 */
export function patchProofReplay(provider: Provider): void {
  const model = provider.ReplayDetection as unknown as PatchableReplayDetection;
  const { unique } = model;
  if (!unique) throw new Error('oidc-provider no longer has ReplayDetection.unique');
  model.unique = async function uniqueOrInvalidProof(issuer, jti, exp) {
    if (await unique.call(this, issuer, jti, exp)) return true;
    if (jti === jtiOfProof()) throw new errors.InvalidDpopProof('DPoP proof was used before');
    return false;
  };
}

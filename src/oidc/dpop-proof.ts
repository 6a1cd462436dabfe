import { errors, type Provider } from 'oidc-provider';
import { engineConfiguration, grantHelpersOf } from './internals.ts';

/** A request to a resource of ours that carries a DPoP proof (RFC 9449 7). */
export interface ProvenRequest {
  method: string;
  /** The `htu` that the proof must name: without query and fragment. */
  url: string;
  proof: string;
  accessToken: string;
  /** The client that the token was issued to: whose `jti` values are remembered. */
  clientId: string;
}

/** JWS algorithms that the engine takes in DPoP proofs. */
export const dpopAlgorithms = (provider: Provider): readonly string[] =>
  engineConfiguration(provider).dPoPSigningAlgValues;

/**
 * Checks a proof shown to our own API by the engine's rules for its own
 * endpoints, with the same nonces and the same memory of `jti`. The engine reads
 * a Koa context; what it reads of it is here.
 * @param respond told of headers for the answer, such as a fresh `dpop-nonce`
 * @returns the thumbprint of the proof's key
 * @throws errors.InvalidDpopProof, errors.UseDpopNonce; InvalidToken for a replay
 */
export async function checkDpopProof(
  provider: Provider,
  request: ProvenRequest,
  respond: (headers: Record<string, string>) => void,
): Promise<string> {
  const client = await provider.Client.find(request.clientId);
  const ctx = {
    method: request.method,
    get: (name: string) => (name.toLowerCase() === 'dpop' ? request.proof : ''),
    set: (name: string, value: string) => respond({ [name]: value }),
    assert(value: unknown, error: Error) {
      if (!value) throw error;
    },
    oidc: {
      provider,
      client,
      entities: { Client: client },
      route: 'resource',
      urlFor: () => request.url,
    },
  };
  const { validateDpop, checkDpopReplay } = grantHelpersOf(provider);
  const proof = await validateDpop(ctx as never, request.accessToken);
  if (!proof) throw new errors.InvalidDpopProof('DPoP is not served here');
  await checkDpopReplay(ctx as never, proof, request.clientId, errors.InvalidToken);
  return proof.thumbprint;
}

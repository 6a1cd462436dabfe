import { errors } from 'oidc-provider';
import type { StoredClient } from '../features/client/index.ts';
import { mayHoldTokens } from '../features/user/index.ts';
import {
  type Actor,
  type ApiOptions,
  type ApiRequest,
  ChallengeError,
  type Credentials,
} from '../kernel/http/index.ts';
import type { AccessTokenClaims, AccessTokenVerifier } from './access-tokens.ts';
import type { TenantAccount } from './claims.ts';
import type { ProvenRequest } from './dpop-proof.ts';
import { platformResource } from './resources.ts';

const scopesOf = (claims: AccessTokenClaims): ReadonlySet<string> =>
  new Set(claims.scope?.split(' ').filter(Boolean));

type Respond = Parameters<ApiOptions['authenticate']>[2];

export interface AuthenticateOptions {
  issuer: string;
  verifier(): AccessTokenVerifier;
  /** The account that a token is about, if it is about one. */
  findAccountId(claims: AccessTokenClaims): Promise<string | undefined>;
  findAccount(accountId: string): Promise<TenantAccount | undefined>;
  /** An enabled client; undefined for one that was disabled or deleted. */
  findClient(clientId: string): Promise<StoredClient | undefined>;
  /** Checks a DPoP proof as the engine does. @returns the thumbprint of its key */
  checkDpopProof(request: ProvenRequest, respond: Respond): Promise<string>;
  /** Of the caller's certificate, as a trusted proxy tells of it; undefined without one. */
  certificateThumbprint(request: ApiRequest): string | undefined;
  /** JWS algorithms of DPoP proofs, for challenges. */
  dpopAlgs(): readonly string[];
}

/** A 401 that asks for a DPoP token (RFC 9449 7.1). */
const refuseDpop = (
  algs: readonly string[],
  error: 'invalid_token' | 'invalid_dpop_proof' | 'use_dpop_nonce',
  cause?: unknown,
): ChallengeError =>
  new ChallengeError('IDENT_UNAUTHENTICATED', { scheme: 'DPoP', error, algs }, { cause });

/** The engine's verdict on a proof as a challenge; anything else is no verdict and goes on. */
function toChallenge(error: unknown, algs: readonly string[]): unknown {
  if (error instanceof errors.UseDpopNonce) return refuseDpop(algs, 'use_dpop_nonce', error);
  if (error instanceof errors.InvalidDpopProof) {
    return refuseDpop(algs, 'invalid_dpop_proof', error);
  }
  if (error instanceof errors.InvalidToken) return refuseDpop(algs, 'invalid_dpop_proof', error);
  return error;
}

/**
 * A token that is bound to a key opens nothing without that key, and one that is
 * not is no DPoP token (RFC 9449 7.1 and 7.2, RFC 8705 3, RFC 9700 2.2.1).
 * @throws ChallengeError when the credential is not what the token demands
 */
async function assertHolder(
  credentials: Extract<Credentials, { scheme: 'bearer' | 'dpop' }>,
  claims: AccessTokenClaims,
  request: ApiRequest,
  { options, respond }: { options: AuthenticateOptions; respond: Respond },
): Promise<void> {
  const { jkt, 'x5t#S256': x5t, ...unknown } = claims.cnf ?? {};
  const algs = options.dpopAlgs();
  if (Object.keys(unknown).length > 0) throw refuseDpop(algs, 'invalid_token');
  if (x5t !== undefined && options.certificateThumbprint(request) !== x5t) {
    throw new ChallengeError('IDENT_UNAUTHENTICATED', { error: 'invalid_token' });
  }
  if (credentials.scheme === 'bearer') {
    if (jkt !== undefined) throw refuseDpop(algs, 'invalid_token');
    return;
  }
  if (jkt === undefined) throw refuseDpop(algs, 'invalid_token');
  const proven = {
    method: request.method,
    url: options.issuer + request.path,
    proof: credentials.proof,
    accessToken: credentials.token,
    clientId: claims.client_id,
  };
  const thumbprint = await options.checkDpopProof(proven, respond).catch((error: unknown) => {
    throw toChallenge(error, algs);
  });
  if (thumbprint !== jkt) throw refuseDpop(algs, 'invalid_token');
}

/** Whom a valid token stands for; null when that client or person may no longer hold tokens. */
async function findActor(
  claims: AccessTokenClaims,
  options: AuthenticateOptions,
): Promise<Actor | null> {
  const client = await options.findClient(claims.client_id);
  if (!client) return null;
  const base = { tenantId: claims.tid ?? null, scopes: scopesOf(claims) };
  if (claims.sub === claims.client_id) {
    return { ...base, kind: 'client', clientId: claims.client_id, via: 'token' };
  }
  const userId = await options.findAccountId(claims);
  const account = userId === undefined ? undefined : await options.findAccount(userId);
  if (userId === undefined || !account || !mayHoldTokens(account.user)) return null;
  if (claims.tid !== undefined && !account.tenantIds.includes(claims.tid)) return null;
  return {
    ...base,
    kind: 'user',
    userId,
    homeTenantId: account.user.tenantId,
    tenantIds: account.tenantIds,
    clientId: claims.client_id,
    isFirstParty: client.isFirstParty,
    sessionId: claims.sid ?? null,
    amr: claims.amr ?? [],
    acr: claims.acr ?? null,
    authTime: claims.auth_time ?? null,
  };
}

/**
 * Authenticates callers of the API by access tokens of this issuer that are
 * meant for it: as bearer tokens, or bound to a key or certificate that the
 * caller proves to hold. A user who was suspended since is nobody, and so is one
 * who has left the tenant that the token acts in.
 */
export function createAuthenticate(options: AuthenticateOptions): ApiOptions['authenticate'] {
  const audience = platformResource(options.issuer);
  return async (credentials, request, respond, evenEnded) => {
    if (credentials.scheme !== 'bearer' && credentials.scheme !== 'dpop') return null;
    const claims = await options.verifier().verify(credentials.token, { evenEnded });
    if (!claims || ![claims.aud].flat().includes(audience)) {
      if (credentials.scheme === 'dpop') throw refuseDpop(options.dpopAlgs(), 'invalid_token');
      return null;
    }
    await assertHolder(credentials, claims, request, { options, respond });
    return findActor(claims, options);
  };
}

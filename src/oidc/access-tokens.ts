import { createPublicKey, type KeyObject } from 'node:crypto';
import { type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import type { Provider } from 'oidc-provider';
import type { AuthorizationDetail } from './authorization-details.ts';
import { orUnavailable } from './dependency-errors.ts';
import { grantIdOf, isOfOtherClient } from './internals.ts';
import { type SigningKey, signingAlgs } from './keys/signing-keys.ts';
import { accountIdOf } from './pairwise.ts';

/** What the revocation set is asked: is any of these revoked? */
export interface RevocationCheck {
  isRevoked(ids: { sid?: string; jti?: string; grantId?: string }): Promise<boolean>;
}

/** The claims of our access tokens (RFC 9068 2.2 and the frozen claims of this service). */
export interface AccessTokenClaims extends JWTPayload {
  iss: string;
  sub: string;
  aud: string | string[];
  exp: number;
  iat: number;
  jti: string;
  client_id: string;
  scope?: string;
  sid?: string;
  tid?: string;
  tids?: string[];
  amr?: string[];
  auth_time?: number;
  acr?: string;
  /** Who acts for the subject (RFC 8693 4.1). */
  act?: { sub: string };
  /** What it allows in detail (RFC 9396 9.1). */
  authorization_details?: AuthorizationDetail[];
  /** What was asked of userinfo by the `claims` parameter (OpenID Connect Core 5.5). */
  userinfo_claims?: string[];
  cnf?: { jkt?: string; 'x5t#S256'?: string };
}

/** Verifies JWT access tokens that this issuer made; the one check for all of its endpoints. */
export interface AccessTokenVerifier {
  /**
   * The claims of a live token, or undefined for one that is malformed, forged,
   * expired or revoked. With `evenEnded`, of revocations only that of the token itself counts.
   * @throws when the revocation set cannot be read: callers fail closed
   */
  verify(token: string, options?: { evenEnded?: boolean }): Promise<AccessTokenClaims | undefined>;
}

/** Longest token that is looked at, in characters. */
const LONGEST = 16_384;

export function createAccessTokenVerifier(options: {
  issuer: string;
  keys: SigningKey[];
  revocations: RevocationCheck;
}): AccessTokenVerifier {
  const publicKeys = new Map<string, KeyObject>(
    options.keys.map((key) => [key.kid, createPublicKey(key.privateKey)]),
  );
  const getKey: JWTVerifyGetKey = ({ kid }) => {
    const key = kid === undefined ? undefined : publicKeys.get(kid);
    if (!key) throw new Error('unknown kid');
    return key;
  };
  const checks = {
    issuer: options.issuer,
    typ: 'at+jwt',
    algorithms: [...signingAlgs],
    requiredClaims: ['exp', 'iat', 'jti', 'sub', 'aud', 'client_id'],
  };
  return {
    async verify(token, { evenEnded = false } = {}) {
      if (token.length > LONGEST) return undefined;
      const result = await jwtVerify<AccessTokenClaims>(token, getKey, {
        ...checks,
        currentDate: new Date(Date.now()),
      }).catch(() => undefined);
      if (!result) return undefined;
      const { jti, sid } = result.payload;
      const grantId = grantIdOf(jti);
      const isRevoked = await options.revocations.isRevoked({
        jti,
        ...(sid === undefined || evenEnded ? {} : { sid }),
        ...(grantId === undefined || evenEnded ? {} : { grantId }),
      });
      return isRevoked ? undefined : result.payload;
    },
  };
}

/** Whether a bearer value has the three parts of a compact JWS (RFC 7515 7.1). */
export const looksLikeJwt = (value: string): boolean =>
  /^[\w-]+\.[\w-]+\.[\w-]+$/.test(value) && value.startsWith('eyJ');

function toModelPayload(
  claims: AccessTokenClaims,
  { accountId, grantId }: { accountId: string | undefined; grantId: string | undefined },
): Record<string, unknown> {
  const { tid, tids, amr, auth_time, acr, act } = claims;
  return {
    kind: 'AccessToken',
    jti: claims.jti,
    iat: claims.iat,
    exp: claims.exp,
    clientId: claims.client_id,
    accountId,
    grantId,
    aud: claims.aud,
    scope: claims.scope,
    sid: claims.sid,
    jkt: claims.cnf?.jkt,
    'x5t#S256': claims.cnf?.['x5t#S256'],
    claims: claims.userinfo_claims && {
      userinfo: Object.fromEntries(claims.userinfo_claims.map((name) => [name, null])),
    },
    rar: claims.authorization_details,
    extra: Object.fromEntries(
      Object.entries({ tid, tids, amr, auth_time, acr, act }).filter(
        ([, value]) => value !== undefined,
      ),
    ),
  };
}

interface StructuredToken {
  jti: string;
  exp: number;
  sid?: string;
  extra?: { sid?: string };
  emit(event: string): void;
}

/** Members of the engine's AccessToken that its types leave out. */
interface PatchableAccessToken {
  new (payload: Record<string, unknown>): StructuredToken;
  find(value: unknown, options?: object): Promise<StructuredToken | undefined>;
  prototype: { destroy(this: StructuredToken): Promise<void> };
}

/**
 * The engine tells introspection a `sid` for clients only that log out by it;
 * here it is a claim of every token, opaque or not.
 */
function withSid(token: StructuredToken | undefined): StructuredToken | undefined {
  if (token && token.sid === undefined && token.extra?.sid !== undefined) {
    token.sid = token.extra.sid;
  }
  return token;
}

/**
 * Lets the engine find JWT access tokens, which it does not store: by verifying
 * them. With that, userinfo, introspection and revocation treat them as they
 * treat opaque ones (contract: one token engine).
 */
export function patchAccessTokens(
  provider: Provider,
  verifier: AccessTokenVerifier,
  revoke: (token: { jti: string; exp: number }) => Promise<void>,
): void {
  const AccessToken = provider.AccessToken as unknown as PatchableAccessToken;
  const findOpaque = AccessToken.find;
  const isStructured = new WeakSet<object>();

  AccessToken.find = async function find(value, options) {
    if (typeof value !== 'string' || !looksLikeJwt(value)) {
      return withSid(await findOpaque.call(this, value, options));
    }
    const claims = await orUnavailable(() => verifier.verify(value));
    if (!claims) return undefined;
    const grantId = grantIdOf(claims.jti);
    const accountId = await accountIdOf(claims, grantId, (id) => provider.Grant.find(id));
    if (!accountId && claims.sub !== claims.client_id) return undefined;
    const isForeign = isOfOtherClient(claims.jti);
    // The engine asks for the grant of a token; for the one of another client it is done here.
    if (isForeign && grantId && !(await provider.Grant.find(grantId))) return undefined;
    const ownGrant = isForeign ? undefined : grantId;
    const token = new AccessToken(toModelPayload(claims, { accountId, grantId: ownGrant }));
    isStructured.add(token);
    return token;
  };

  const { destroy } = AccessToken.prototype;
  AccessToken.prototype.destroy = async function destroyAny() {
    if (!isStructured.has(this)) return destroy.call(this);
    await revoke({ jti: this.jti, exp: this.exp });
    this.emit('destroyed');
  };
}

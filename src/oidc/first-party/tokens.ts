import { errors, type Grant, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { TokenSet, Tokens } from '../../features/auth/index.ts';
import { API_CLIENT_ID, API_SCOPE } from '../../features/client/index.ts';
import { tellAcr } from '../../features/mfa/index.ts';
import type { SignedIn } from '../../features/sign-in/index.ts';
import { AppError } from '../../kernel/errors.ts';
import { gatherFirstTokens, noteProof, runWithRequestCache } from '../adapter/index.ts';
import type { TenantAccount } from '../claims.ts';
import { toProtocolError } from '../dependency-errors.ts';
import {
  engineConfiguration,
  findReplayed,
  issueTokens,
  newSession,
  runInProcess,
  serveGrant,
} from '../internals.ts';
import { platformResource } from '../resources.ts';
import type { TenantGrant } from '../token-claims.ts';

/** How the first tokens of a family came about, beside the grant types of OAuth. */
const FIRST_PARTY = 'first_party';

const REFRESH = 'refresh_token';

export interface FirstPartyDeps {
  issuer: string;
  /** The engine in use. */
  provider(): Provider;
  /** An account that may hold tokens. */
  findAccount(accountId: string): Promise<TenantAccount | undefined>;
}

/** What the engine answers to a request for tokens (RFC 6749 5.1). */
interface TokenAnswer {
  access_token: string;
  refresh_token: string;
  expires_in: number;
}

function toTokenSet({ body, oidc }: KoaContextWithOIDC): TokenSet {
  const { access_token, refresh_token, expires_in } = body as TokenAnswer;
  const { user } = oidc.account as TenantAccount;
  return { accessToken: access_token, refreshToken: refresh_token, expiresIn: expires_in, user };
}

/** A grant of all that the API's client may have, in this tenant. */
async function saveGrant(
  ctx: KoaContextWithOIDC,
  { accountId, tid, resource }: { accountId: string; tid: string; resource: string },
): Promise<Grant> {
  const grant = new ctx.oidc.provider.Grant({ accountId, clientId: API_CLIENT_ID });
  (grant as TenantGrant).tid = tid;
  grant.addOIDCScope(API_SCOPE);
  grant.addResourceScope(resource, API_SCOPE);
  await grant.save();
  return grant;
}

/**
 * A session as the hosted pages make them. No browser has its cookie value: it
 * lives by its refreshes (see `touchSession`) and ends as any other.
 */
async function beginSession(ctx: KoaContextWithOIDC, signedIn: SignedIn, grantId: string) {
  const { provider } = ctx.oidc;
  const { user, amr, acr, authTime } = signedIn;
  const session = newSession(provider);
  session.loginAccount({ accountId: user.id, amr, acr, loginTs: authTime });
  session.ensureClientContainer(API_CLIENT_ID);
  session.grantIdFor(API_CLIENT_ID, grantId);
  await session.save(engineConfiguration(provider).ttl.Session(ctx, session));
  return { sessionUid: session.uid, sid: session.sidFor(API_CLIENT_ID) };
}

/**
 * Issues what the exchange of a code would, by the engine's own code for it: of
 * a code that is never saved, so that nobody can present it.
 */
async function begin(
  ctx: KoaContextWithOIDC,
  signedIn: SignedIn,
  { tid, resource }: { tid: string; resource: string },
): Promise<TokenSet> {
  const { provider, client } = ctx.oidc;
  const { user, amr, acr, authTime } = signedIn;
  const grant = await saveGrant(ctx, { accountId: user.id, tid, resource });
  const source = new provider.AuthorizationCode({
    ...(await beginSession(ctx, signedIn, grant.jti)),
    ...{ accountId: user.id, amr, authTime, client, resource },
    acr: tellAcr(acr, signedIn.acrValues),
    expiresWithSession: true,
    grantId: grant.jti,
    scope: API_SCOPE,
  } as unknown as ConstructorParameters<Provider['AuthorizationCode']>[0]);
  ctx.oidc.entity('AuthorizationCode', source);
  ctx.oidc.entity('Grant', grant);
  await issueTokens(ctx, source, grant, FIRST_PARTY);
  return toTokenSet(ctx);
}

/** The grant of the token endpoint, with its guards, its replay detection and its counters. */
async function refresh(ctx: KoaContextWithOIDC): Promise<TokenSet> {
  const { provider } = ctx.oidc;
  try {
    await serveGrant(ctx, REFRESH);
  } catch (error) {
    provider.emit('grant.error', ctx, error as Error);
    const isRefusal = error instanceof errors.InvalidGrant;
    if (isRefusal && findReplayed(ctx, error)) {
      throw new AppError('IDENT_REFRESH_REPLAY', { cause: error });
    }
    throw error;
  }
  provider.emit('grant.success', ctx);
  return toTokenSet(ctx);
}

/** What the engine refused, as this API says it: by this code, where nothing is down. */
const refusedBy =
  (code: 'IDENT_INVALID_CREDENTIALS' | 'IDENT_UNAUTHENTICATED') =>
  (error: unknown): never => {
    if (error instanceof AppError) throw error;
    const refusal = toProtocolError(error);
    if (refusal === undefined) throw error;
    const isUnavailable = refusal instanceof errors.TemporarilyUnavailable;
    throw new AppError(isUnavailable ? 'IDENT_UNAVAILABLE' : code, { cause: error });
  };

/**
 * Tokens of the first-party API. The engine's own code makes and rotates them,
 * for a client of our own and without HTTP, so that claims, rotation, replay
 * detection and revocation cannot differ from what OIDC clients get.
 */
export function createFirstPartyTokens(deps: FirstPartyDeps): Tokens {
  const run = <T>(
    params: Record<string, string>,
    work: (ctx: KoaContextWithOIDC) => Promise<T>,
  ): Promise<T> => {
    const request = { clientId: API_CLIENT_ID, params };
    return runWithRequestCache(() => runInProcess(deps.provider(), request, work));
  };
  const resource = platformResource(deps.issuer);
  return {
    async begin(signedIn, tenantId) {
      const work = async (ctx: KoaContextWithOIDC): Promise<TokenSet> => {
        const account = await deps.findAccount(signedIn.user.id);
        if (!account) throw new AppError('IDENT_INVALID_CREDENTIALS');
        const { user, tenantIds } = account;
        const tid = tenantId !== null && tenantIds.includes(tenantId) ? tenantId : user.tenantId;
        noteProof(user.id, signedIn.passwordSetAt);
        gatherFirstTokens(user);
        return begin(ctx, signedIn, { tid, resource });
      };
      // Refused here, the account was closed or changed, or left the tenant, a moment ago.
      return run({}, work).catch(refusedBy('IDENT_INVALID_CREDENTIALS'));
    },
    refresh: (refreshToken) =>
      run({ grant_type: REFRESH, refresh_token: refreshToken }, refresh).catch(
        refusedBy('IDENT_UNAUTHENTICATED'),
      ),
  };
}

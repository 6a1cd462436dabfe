import { type Client, errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { StoredClient } from '../features/client/index.ts';
import { supportedClaims, type TenantAccount } from './claims.ts';
import { platformResource } from './resources.ts';

/** The grant with the member that we add to it. */
export interface TenantGrant {
  /** The tenant that tokens of this grant act in. */
  tid?: string;
}

/** How the person was authenticated, as whatever the token is issued for remembers it. */
interface AuthenticationSource {
  amr?: string[];
  acr?: string;
  authTime?: number;
  sessionUid?: string;
  /** What the request asked for by the `claims` parameter (OpenID Connect Core 5.5). */
  claims?: { userinfo?: Record<string, unknown> };
}

/** What a token exchange carries over from the subject token. */
export interface ExchangeSource {
  tid: string;
  sid: string | undefined;
  amr: string[];
  acr: string | undefined;
  authTime: number | undefined;
  /** Who acts for the subject (RFC 8693 4.1). */
  act: object | undefined;
}

const exchanges = new WeakMap<KoaContextWithOIDC, ExchangeSource>();

/** Tells where the claims of the token come from that this request is about to issue. */
export const rememberExchange = (ctx: KoaContextWithOIDC, source: ExchangeSource): void => {
  exchanges.set(ctx, source);
};

/** Claims that have a value. */
const present = (claims: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));

/** A token of the front channel has no code behind it, but the session that it is issued in. */
function fromSession({ oidc }: KoaContextWithOIDC): AuthenticationSource {
  const { session } = oidc;
  if (!session?.accountId) return {};
  // The engine reads these from the session, and cannot where there is none (RFC 8693).
  const { amr, acr } = oidc;
  const { claims } = oidc as { claims?: unknown };
  return present({ amr, acr, authTime: session.loginTs, sessionUid: session.uid, claims });
}

/**
 * The claims that were asked for at userinfo one by one: the engine keeps them
 * with a token that it stores, and ours it does not. Only names that there are.
 */
function askedOfUserinfo({ claims }: AuthenticationSource): string[] | undefined {
  const names = Object.keys(claims?.userinfo ?? {}).filter((name) => supportedClaims.has(name));
  return names.length > 0 ? names : undefined;
}

/**
 * The frozen claims that every access token carries beside those of RFC 9068:
 * `tid`, `tids`, `amr`, and where known `sid`, `auth_time` and `acr`.
 * @throws InvalidGrant when the person is no longer a member of the acting tenant
 */
export async function extraTokenClaims(
  ctx: KoaContextWithOIDC,
  token: { kind: string; aud?: string | string[] | undefined },
  storedOf: (client: Client) => Promise<StoredClient | undefined>,
): Promise<Record<string, unknown>> {
  if (token.kind === 'ClientCredentials') {
    const client = ctx.oidc.client && (await storedOf(ctx.oidc.client));
    return { tid: client?.tenantId, tids: client ? [client.tenantId] : [], amr: [] };
  }
  const { entities } = ctx.oidc;
  const account = ctx.oidc.account as TenantAccount | undefined;
  const exchanged = exchanges.get(ctx);
  const source = (entities.RefreshToken ??
    entities.AuthorizationCode ??
    entities.DeviceCode ??
    entities.BackchannelAuthenticationRequest ??
    fromSession(ctx)) as AuthenticationSource;
  const grant = entities.Grant as TenantGrant | undefined;
  const opensUserinfo = !exchanged && token.aud === platformResource(ctx.oidc.issuer);
  const tid = exchanged?.tid ?? grant?.tid ?? account?.user.tenantId;
  // Whoever has left the tenant since must not go on acting in it.
  if (account && tid !== undefined && !account.tenantIds.includes(tid)) {
    throw new errors.InvalidGrant('the account is no longer a member of this tenant');
  }
  return {
    tid,
    tids: account?.tenantIds ?? [],
    amr: (exchanged ?? source).amr ?? [],
    ...present({
      sid: exchanged ? exchanged.sid : source.sessionUid,
      auth_time: (exchanged ?? source).authTime,
      acr: (exchanged ?? source).acr,
      act: exchanged?.act,
      userinfo_claims: opensUserinfo ? askedOfUserinfo(source) : undefined,
    }),
  };
}

import { errors, type KoaContextWithOIDC } from 'oidc-provider';
import type { TenantAccount } from '../claims.ts';
import { engineConfiguration, grantIdOf } from '../internals.ts';

/** Who acts for the subject (RFC 8693 4.1): the present actor outermost, earlier ones inside. */
export interface Act {
  sub: string;
  /** The issuer that knows the actor, where it is not this one. */
  iss?: string;
  act?: Act;
}

/** A token of ours, found valid: not expired, not revoked, its grant alive. */
export interface OwnToken {
  /** The client that it was issued to. */
  clientId: string;
  /** The person; undefined for a token that a client got for itself. */
  accountId: string | undefined;
  tid: string | undefined;
  scopes: ReadonlySet<string>;
  aud: string | undefined;
  /** Seconds since the epoch. */
  exp: number;
  /** The grant at the root of a chain of exchanges, with its client; undefined for a client's own token. */
  grant: { id: string; clientId: string | undefined } | undefined;
  sid: string | undefined;
  amr: string[];
  acr: string | undefined;
  authTime: number | undefined;
  act: Act | undefined;
  jkt: string | undefined;
  x5t: string | undefined;
}

/** The one party that a subject token names as its actor (RFC 8693 4.4). */
export interface MayAct {
  sub?: unknown;
  iss?: unknown;
}

/** The subject of an exchange, whoever issued its token. */
export interface Subject extends Omit<OwnToken, 'clientId' | 'accountId' | 'tid' | 'scopes'> {
  account: TenantAccount;
  tid: string;
  /** Undefined: the token is of a trusted issuer. */
  clientId: string | undefined;
  /** Undefined: the token is of a trusted issuer, and its scopes are not ours. */
  scopes: ReadonlySet<string> | undefined;
  /** The trusted issuer; null where the token is ours. */
  issuer: string | null;
  mayAct: MayAct | undefined;
}

/** What the engine's models hold of a token, opaque or not. */
interface TokenModel {
  kind: string;
  clientId: string;
  accountId?: string;
  jti: string;
  exp: number;
  grantId?: string;
  sid?: string;
  scope?: string;
  aud?: string | string[];
  jkt?: string;
  'x5t#S256'?: string;
  isValid: boolean;
  extra?: {
    tid?: string;
    amr?: string[];
    acr?: string;
    auth_time?: number;
    sid?: string;
    act?: Act;
  };
}

const refuse = (what: string): errors.InvalidRequest =>
  new errors.InvalidRequest(`the ${what} is not valid`);

/** A live grant of the person at the root of the token; ended is ended, for every token under it. */
async function findGranted(
  ctx: KoaContextWithOIDC,
  { accountId, grantId }: { accountId: string | undefined; grantId: string | undefined },
  what: string,
): Promise<{ id: string; clientId: string | undefined } | undefined> {
  if (accountId === undefined) return undefined;
  const grant = grantId === undefined ? undefined : await ctx.oidc.provider.Grant.find(grantId);
  if (!grant || grantId === undefined || grant.accountId !== accountId) throw refuse(what);
  return { id: grantId, clientId: grant.clientId };
}

/**
 * Reads an access token of this issuer, JWT or opaque.
 * @param what the parameter, for messages
 * @throws InvalidRequest when it is none, expired or revoked (RFC 8693 2.2.2)
 */
export async function readOwnToken(
  ctx: KoaContextWithOIDC,
  value: string,
  what: string,
): Promise<OwnToken> {
  const { AccessToken, ClientCredentials } = ctx.oidc.provider;
  const found = (await AccessToken.find(value)) ?? (await ClientCredentials.find(value));
  const model = found as unknown as TokenModel | undefined;
  if (!model?.isValid) throw refuse(what);
  const { extra = {}, accountId, grantId = grantIdOf(model.jti) } = model;
  const token: OwnToken = {
    clientId: model.clientId,
    accountId,
    tid: extra.tid,
    scopes: new Set(model.scope?.split(' ').filter(Boolean)),
    aud: [model.aud].flat()[0],
    exp: model.exp,
    grant: await findGranted(ctx, { accountId, grantId }, what),
    sid: extra.sid ?? model.sid,
    amr: extra.amr ?? [],
    acr: extra.acr,
    authTime: extra.auth_time,
    act: extra.act,
    jkt: model.jkt,
    x5t: model['x5t#S256'],
  };
  // A client that was disabled since holds nothing that could be passed on.
  if (!(await ctx.oidc.provider.Client.find(token.clientId))) throw refuse(what);
  return token;
}

/**
 * The person behind a token, who may still hold tokens and is still of the
 * tenant that the token acts in.
 * @throws InvalidRequest
 */
export async function findPerson(
  ctx: KoaContextWithOIDC,
  { accountId, tid }: { accountId: string | undefined; tid: string | undefined },
  what: string,
): Promise<TenantAccount> {
  if (accountId === undefined) {
    throw new errors.InvalidRequest(`the ${what} does not stand for a person`);
  }
  const account = (await engineConfiguration(ctx.oidc.provider).findAccount(ctx, accountId)) as
    | TenantAccount
    | undefined;
  if (!account || tid === undefined || !account.tenantIds.includes(tid)) throw refuse(what);
  return account;
}

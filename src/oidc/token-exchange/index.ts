import { decodeJwt } from 'jose';
import { type Client, errors, type KoaContextWithOIDC, type Provider } from 'oidc-provider';
import type { z } from 'zod';
import type { StoredClient } from '../../features/client/index.ts';
import type { ResourceServerService } from '../../features/resource-server/index.ts';
import { looksLikeJwt } from '../access-tokens.ts';
import { orUnavailable } from '../dependency-errors.ts';
import { type GrantHelpers, grantHelpersOf } from '../internals.ts';
import { openidScopes, platformResource } from '../resources.ts';
import { rememberExchange, type TenantGrant } from '../token-claims.ts';
import { actorsOf, type Delegation, decideDelegation } from './actor.ts';
import type { tokenExchangeEvents } from './events.ts';
import { type ForeignDeps, readForeign } from './foreign.ts';
import { assertBoundTo, type Proofs, readProofs } from './holder.ts';
import { issueExchanged } from './issue.ts';
import {
  ACCESS_TOKEN_TYPE,
  type ExchangeRequest,
  PARAMETERS,
  REPEATABLE,
  readRequest,
  TOKEN_EXCHANGE,
} from './request.ts';
import { findPerson, type OwnToken, readOwnToken, type Subject } from './subject.ts';
import { decideScope, findTarget, type Target } from './target.ts';

/** What is noted of an exchange. */
export type ExchangeRecord = z.input<typeof tokenExchangeEvents.exchanged.data>;

export interface TokenExchangeDeps extends ForeignDeps {
  resourceServers: Pick<ResourceServerService, 'find'>;
  storedOf(client: Client): Promise<StoredClient | undefined>;
  /** Writes the audit record; the token does not go out without it. */
  record(exchange: ExchangeRecord, tenantId: string): Promise<void>;
}

/** Whether the resource server of a token is one that the client may stand behind. */
async function isBehind(
  client: StoredClient,
  audience: string | undefined,
  deps: TokenExchangeDeps,
): Promise<boolean> {
  if (!client.isFirstParty || audience === undefined) return false;
  if (audience === platformResource(deps.issuer)) return true;
  return (await deps.resourceServers.find(audience))?.tenantId === client.tenantId;
}

/**
 * Whether a client may present a token that was issued to another. It must be
 * whom the token was meant for: its audience by name, or one of the operator's
 * own services behind the platform's API or a resource server of its tenant; and
 * of the tenant that the token acts in, or of the platform itself.
 */
async function mayPresent(
  client: StoredClient,
  token: OwnToken,
  deps: TokenExchangeDeps,
): Promise<boolean> {
  if (token.clientId === client.clientId) return true;
  const isAudience = token.aud === client.clientId || (await isBehind(client, token.aud, deps));
  if (!isAudience) return false;
  if (client.tenantId === token.tid) return true;
  return (await deps.tenants.find(client.tenantId))?.isPlatform === true;
}

/** Whether a token says that somebody else issued it; who really did is for others to verify. */
function isForeign(token: string, issuer: string): boolean {
  if (!looksLikeJwt(token)) return false;
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' && iss !== issuer;
  } catch {
    return false;
  }
}

async function readSubject(
  ctx: KoaContextWithOIDC,
  request: ExchangeRequest,
  client: StoredClient,
  deps: TokenExchangeDeps,
): Promise<Subject> {
  if (isForeign(request.subjectToken, deps.issuer)) return readForeign(ctx, request, client, deps);
  // An ID token says who signed in; it grants nothing, and nothing ends it before its time.
  if (request.subjectTokenType === 'id_token') {
    throw new errors.InvalidRequest('ID tokens of this issuer cannot be exchanged');
  }
  const token = await readOwnToken(ctx, request.subjectToken, 'subject_token');
  const account = await findPerson(ctx, token, 'subject_token');
  if (!(await orUnavailable(() => mayPresent(client, token, deps)))) {
    throw new errors.InvalidRequest('the client may not present this subject_token');
  }
  return { ...token, tid: String(token.tid), account, issuer: null, mayAct: undefined };
}

/** A public client proves nothing, so anybody could exchange in its name. */
async function findConfidential(
  ctx: KoaContextWithOIDC,
  deps: TokenExchangeDeps,
): Promise<{ client: Client; stored: StoredClient }> {
  const { client } = ctx.oidc;
  const stored = client && (await orUnavailable(() => deps.storedOf(client)));
  if (!client || !stored) throw new errors.InvalidClientAuth('client not found');
  if (client.clientAuthMethod === 'none') {
    throw new errors.UnauthorizedClient('token exchange is for confidential clients');
  }
  return { client, stored };
}

interface Decision {
  subject: Subject;
  delegation: Delegation;
  target: Target;
  scope: string | undefined;
  proofs: Proofs;
}

async function decide(
  ctx: KoaContextWithOIDC,
  helpers: GrantHelpers,
  deps: TokenExchangeDeps,
): Promise<Decision> {
  const { client, stored } = await findConfidential(ctx, deps);
  const request = readRequest(ctx);
  const proofs = await readProofs(ctx, helpers);
  const subject = await readSubject(ctx, request, stored, deps);
  assertBoundTo(subject, proofs, 'subject_token');
  const delegation = await decideDelegation(ctx, client, subject, {
    actorToken: request.actorToken,
    mayAct: subject.mayAct,
    proofs,
  });
  const target = await findTarget(ctx, helpers, {
    wanted: request.target,
    own: subject.aud,
    mayChange: stored.isFirstParty,
  });
  const wanted = { wanted: request.scopes, held: subject.scopes, target };
  return { subject, delegation, target, scope: decideScope(ctx, helpers, wanted), proofs };
}

const toRecord = (
  client: Client,
  { subject, delegation, target, scope }: Decision,
): ExchangeRecord => ({
  userId: subject.account.accountId,
  clientId: client.clientId,
  kind: delegation.kind,
  subjectClientId: subject.clientId ?? null,
  subjectIssuer: subject.issuer,
  actors: actorsOf(delegation.act),
  audience: target.audience ?? target.identifier(),
  scope: scope ?? '',
});

/**
 * A grant for a token of a trusted issuer, which has none: with it the token can
 * be ended like any other. It lives as long as the token may.
 */
async function createGrant(
  ctx: KoaContextWithOIDC,
  client: Client,
  { subject, target, scope }: Decision,
): Promise<string> {
  const grant = new ctx.oidc.provider.Grant({
    accountId: subject.account.accountId,
    clientId: client.clientId,
    expiresIn: Math.max(1, subject.exp - Math.floor(Date.now() / 1000)),
  } as ConstructorParameters<Provider['Grant']>[0]);
  (grant as TenantGrant).tid = subject.tid;
  const oidcScope = scope?.split(' ').filter((name) => openidScopes.includes(name)) ?? [];
  if (oidcScope.length > 0) grant.addOIDCScope(oidcScope.join(' '));
  if (scope !== undefined) grant.addResourceScope(target.identifier(), scope);
  return grant.save();
}

async function exchange(
  ctx: KoaContextWithOIDC,
  helpers: GrantHelpers,
  deps: TokenExchangeDeps,
): Promise<void> {
  const decision = await decide(ctx, helpers, deps);
  const { subject, delegation, target, scope, proofs } = decision;
  const { client } = ctx.oidc as { client: Client };
  ctx.oidc.entity('Account', subject.account);
  rememberExchange(ctx, { ...subject, act: delegation.act });
  const { accessToken, expiresIn, tokenType } = await issueExchanged(ctx, {
    accountId: subject.account.accountId,
    grantId: subject.grant?.id ?? (await createGrant(ctx, client, decision)),
    isOfOtherClient: subject.grant !== undefined && subject.grant.clientId !== client.clientId,
    gty: TOKEN_EXCHANGE,
    notAfter: subject.exp,
    resourceServer: target,
    scope,
    jkt: proofs.dPoP?.thumbprint,
    certificate: proofs.certificate,
  });
  await orUnavailable(() => deps.record(toRecord(client, decision), subject.tid));
  ctx.body = helpers.buildTokenResponse({
    accessToken,
    issuedTokenType: ACCESS_TOKEN_TYPE,
    tokenType,
    expiresIn,
    scope,
  });
}

/** Serves token exchange (RFC 8693) for the clients that are registered for it. */
export function registerTokenExchange(provider: Provider, deps: TokenExchangeDeps): void {
  const helpers = grantHelpersOf(provider);
  provider.registerGrantType(
    TOKEN_EXCHANGE,
    (ctx) => exchange(ctx, helpers, deps),
    PARAMETERS,
    REPEATABLE,
  );
}

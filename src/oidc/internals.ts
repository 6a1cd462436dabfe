/**
 * Every deviation from upstream oidc-provider, in one file. The version is
 * pinned exactly; each patch fails loudly when what it patches has moved.
 */

import type { X509Certificate } from 'node:crypto';
import type { Middleware } from 'koa';
import {
  errors,
  type Grant,
  type KoaContextWithOIDC,
  Provider,
  type ResourceServer,
} from 'oidc-provider';
import authorizationSteps from 'oidc-provider/lib/actions/authorization/index.js';
import discovery from 'oidc-provider/lib/actions/discovery.js';
import { handler as refreshTokenHandler } from 'oidc-provider/lib/actions/grants/refresh_token.js';
import introspection from 'oidc-provider/lib/actions/introspection.js';
import * as registration from 'oidc-provider/lib/actions/registration.js';
import revocation from 'oidc-provider/lib/actions/revocation.js';
import userinfo from 'oidc-provider/lib/actions/userinfo.js';
import als from 'oidc-provider/lib/helpers/als.js';
import { issueTokens as issueEngineTokens } from 'oidc-provider/lib/helpers/grant_common.js';
import * as grantHelpers from 'oidc-provider/lib/helpers/grants.js';
import instance from 'oidc-provider/lib/helpers/weak_cache.js';
import { newId, newSecret } from '../kernel/ids.ts';
import { allowReuse } from './adapter/request-cache.ts';
import { readExtensions } from './clients/extensions.ts';

function findStep(stack: Middleware[], name: string): number {
  const index = stack.findIndex((step) => step.name === name);
  if (index === -1) throw new Error(`oidc-provider no longer has the step ${name}`);
  return index;
}

/**
 * Upstream refuses structured tokens at introspection and revocation, because
 * it does not store them. Ours are verified by signature and looked up in the
 * revocation set (see access-tokens.ts), so that refusal is taken out.
 */
for (const stack of [introspection, revocation]) {
  stack.splice(findStep(stack, 'rejectStructuredTokens'), 1);
}

type EngineStep = (ctx: KoaContextWithOIDC) => Promise<void>;

const requestUriSteps = new WeakMap<Provider, EngineStep>();

/** Gives an engine the step that reads request objects by reference, which upstream has dropped. */
export const onRequestUri = (provider: Provider, step: EngineStep): void => {
  requestUriSteps.set(provider, step);
};

const registrationSteps = new WeakMap<Provider, EngineStep>();

/** Gives an engine a step before clients are registered or changed; upstream has policies for some. */
export const onRegistration = (provider: Provider, step: EngineStep): void => {
  registrationSteps.set(provider, step);
};

for (const [stack, name] of [
  [registration.post, 'registrationResponse'],
  [registration.put, 'clientUpdateResponse'],
] as const) {
  stack.splice(findStep(stack, name), 0, async function judgeRegistration(ctx, next) {
    const { provider } = (ctx as KoaContextWithOIDC).oidc;
    await registrationSteps.get(provider)?.(ctx as KoaContextWithOIDC);
    return next();
  });
}

const authorization = authorizationSteps('authorization');
authorization.splice(
  findStep(authorization, 'loadPushedAuthorizationRequest'),
  0,
  async function loadReferencedRequest(ctx, next) {
    const { provider } = (ctx as KoaContextWithOIDC).oidc;
    await requestUriSteps.get(provider)?.(ctx as KoaContextWithOIDC);
    return next();
  },
);

/** What a reference to a pushed request begins with (RFC 9126 2.2). */
const PUSHED = 'urn:ietf:params:oauth:request_uri:';

/**
 * Upstream takes what stands between the first two of these words for the id,
 * and whatever follows for nothing: a reference with more behind it would open.
 */
authorization.splice(
  findStep(authorization, 'loadPushedAuthorizationRequest'),
  0,
  function refuseExtendedReference(ctx, next) {
    const { request_uri: uri } = (ctx as KoaContextWithOIDC).oidc.params ?? {};
    if (typeof uri === 'string' && uri.startsWith(PUSHED) && uri.lastIndexOf(PUSHED) > 0) {
      throw new errors.InvalidRequestUri('request_uri is invalid, expired, or was already used');
    }
    return next();
  },
);

/** Audiences whose tokens userinfo takes beside those without one; set by `allowUserinfoAudience`. */
const userinfoAudiences = new Set<string>();

/** Lets tokens for the platform's own resource server open userinfo, as upstream does for opaque ones. */
export const allowUserinfoAudience = (audience: string): void => {
  userinfoAudiences.add(audience);
};

userinfo[findStep(userinfo, 'validateAudience')] = function validateAudience(ctx, next) {
  const { aud } = (ctx as KoaContextWithOIDC).oidc.entities.AccessToken ?? {};
  if (aud !== undefined && !(typeof aud === 'string' && userinfoAudiences.has(aud))) {
    throw new errors.InvalidToken('token audience prevents accessing the userinfo endpoint');
  }
  return next();
};

/** Members of the engine's ID token that its types leave out. */
interface PatchableIdToken {
  prototype: {
    scope?: string;
    ctx?: KoaContextWithOIDC;
    payload(): Promise<unknown>;
    issue(options: object): Promise<string | undefined>;
  };
}

/** Whether the client gets, or with its code may get, a token that opens our userinfo. */
function opensUserinfo({ entities, params, route }: KoaContextWithOIDC['oidc']): boolean {
  if (route === 'userinfo') return false;
  const asked = params?.response_type === 'id_token' ? undefined : params?.resource;
  const audiences = [entities.AccessToken?.aud ?? asked].flat();
  return audiences.some((one) => typeof one === 'string' && userinfoAudiences.has(one));
}

/** Requests that were made in this process and want no ID token; see `runInProcess`. */
const withoutIdToken = new WeakSet<KoaContextWithOIDC>();

/**
 * Upstream tells the class of the session. What a request asked for is told in its
 * own word, and a session that has reached more is not taken back to that.
 */
export function patchAcr(
  provider: Provider,
  tell: (reached: string, params: Record<string, unknown> | undefined) => string,
): void {
  const { prototype } = provider.OIDCContext as unknown as { prototype: object };
  if (!Object.getOwnPropertyDescriptor(prototype, 'acr')?.get) {
    throw new Error('oidc-provider no longer reads acr from its context');
  }
  Object.defineProperty(prototype, 'acr', {
    get(this: { session: { acr?: string }; params?: Record<string, unknown> }) {
      const { acr } = this.session;
      return acr === undefined ? undefined : tell(acr, this.params);
    },
  });
}

/**
 * Upstream puts the claims of scopes into the ID token where the access token
 * has an audience, as such a token does not open its userinfo. Ours does, so the
 * claims are asked for there (OpenID Connect Core 5.4), whatever the format.
 * Our own API answers with the person instead of an ID token: none is signed for it.
 */
export function patchIdTokens(provider: Provider): void {
  const { prototype } = provider.IdToken as unknown as PatchableIdToken;
  const { payload, issue } = prototype;
  prototype.issue = async function issueWhereWanted(options) {
    return this.ctx && withoutIdToken.has(this.ctx) ? undefined : issue.call(this, options);
  };
  prototype.payload = function payloadWithoutScopeClaims() {
    if (this.ctx && opensUserinfo(this.ctx.oidc)) this.scope = 'openid';
    return payload.call(this);
  };
}

/**
 * The discovery document of an engine, without a request: it is the same for
 * every request that reaches the issuer by its own host.
 */
export async function renderDiscovery(provider: Provider): Promise<Record<string, unknown>> {
  const ctx: { oidc: object; body?: Record<string, unknown> } = {
    oidc: {
      provider,
      issuer: provider.issuer,
      urlFor: (name: string) => provider.urlFor(name),
    },
  };
  await discovery(ctx as never, async () => {});
  if (!ctx.body) throw new Error('oidc-provider rendered no discovery document');
  // Upstream always says true; there are no user codes here (CIBA Core 4).
  ctx.body.backchannel_user_code_parameter_supported = false;
  // Upstream says false, since it has none; ours wants its addresses registered.
  if (requestUriSteps.has(provider)) {
    ctx.body.request_uri_parameter_supported = true;
    ctx.body.require_request_uri_registration = true;
  }
  return ctx.body;
}

/** Prefixes of opaque bearer values: they name the kind for secret scanners and spare look-ups. */
export const TOKEN_PREFIX = {
  AccessToken: 'gha_',
  ClientCredentials: 'ghc_',
  RefreshToken: 'ghr_',
} as const;

interface TokenLike {
  grantId?: string;
  /** Set on a token that belongs to the grant of another client: the result of an exchange. */
  isOfOtherClient?: boolean;
  resourceServer?: { accessTokenFormat?: string };
}

/** Members of the engine's models that its types leave out. */
interface PatchableModel {
  IN_PAYLOAD: string[];
  instantiate(payload?: { uid?: string }): { uid: string };
  prototype: {
    generateTokenId(this: TokenLike): string;
    sidFor(this: { uid: string }, clientId: string, value?: string): string | undefined;
  };
}

const patchable = (model: unknown): PatchableModel => model as PatchableModel;

/**
 * The id of a token. Of a JWT it is public: it begins with the id of the grant
 * that it belongs to, so that ending the grant reaches tokens already out.
 */
function tokenId(token: TokenLike, prefix: string): string {
  if (token.resourceServer?.accessTokenFormat !== 'jwt') return prefix + newSecret();
  const mark = token.isOfOtherClient ? EXCHANGED : undefined;
  return [token.grantId, newSecret(16), mark].filter(Boolean).join('.');
}

/** Ends the id of a token that another client's was exchanged for. */
const EXCHANGED = 'x';

/**
 * Whether a token belongs to the grant of another client. The engine takes a
 * grant and a token of two clients for a forgery; such a token is held to its
 * grant by the revocation set alone.
 */
export const isOfOtherClient = (jti: string): boolean => jti.endsWith(`.${EXCHANGED}`);

/** The grant named in the id of a JWT access token, if it belongs to one. */
export const grantIdOf = (jti: string): string | undefined =>
  jti.includes('.') ? jti.slice(0, jti.indexOf('.')) : undefined;

/** Ids that we choose: prefixed tokens, UUIDv7 sessions and grants, one `sid` for all clients. */
export function patchIdentifiers(provider: Provider): void {
  for (const kind of Object.keys(TOKEN_PREFIX) as (keyof typeof TOKEN_PREFIX)[]) {
    const { prototype } = patchable(provider[kind]);
    const { generateTokenId } = prototype;
    prototype.generateTokenId = function generateOurTokenId() {
      // Upstream's notes the token's format as it goes; its id is not used.
      generateTokenId.call(this);
      return tokenId(this, TOKEN_PREFIX[kind]);
    };
  }
  patchable(provider.Grant).prototype.generateTokenId = newId;

  const Session = patchable(provider.Session);
  const { instantiate } = Session;
  Session.instantiate = function instantiateWithUuid(payload) {
    const session = instantiate.call(this, payload);
    if (!payload?.uid) session.uid = newId();
    return session;
  };
  // Upstream draws a `sid` for each client. One for all equals the access token's `sid`, so
  // that a client, a gateway and a logout token name the session alike.
  const { sidFor } = Session.prototype;
  Session.prototype.sidFor = function sidForAll(clientId, value) {
    return sidFor.call(this, clientId, value === undefined ? undefined : this.uid);
  };
}

/** Adds the acting tenant (`tid`) to what a grant stores. */
export function patchGrantPayload(provider: Provider): void {
  const Grant = patchable(provider.Grant);
  const members = [...Grant.IN_PAYLOAD, 'tid'];
  Object.defineProperty(Grant, 'IN_PAYLOAD', { get: () => members });
}

/** The refresh token that a failed request used for the second time, if that is why it failed. */
export function findReplayed(ctx: KoaContextWithOIDC, error: unknown) {
  const { RotatedRefreshToken, RefreshToken } = ctx.oidc.entities;
  const token = RotatedRefreshToken ?? RefreshToken;
  return token && (token.consumed || error instanceof RefreshRaceLost) ? token : undefined;
}

/**
 * Wraps the refresh_token grant: `onReplay` is told of a token that was used
 * before, or lost the race for its one use, before the error goes out. Within
 * the reuse grace of a client a repeated use is none: it gets fresh access and
 * ID tokens, and the successor that the first use was given.
 */
export function patchRefreshGrant(
  provider: Provider,
  onReplay: (token: InstanceType<Provider['RefreshToken']>) => Promise<void>,
): void {
  const helpers = grantHelpersOf(provider);
  provider.registerGrantType(
    'refresh_token',
    async (ctx) => {
      const { client } = ctx.oidc;
      const reuse = allowReuse(client ? readExtensions(client).refreshTokenReuseGrace : 0);
      try {
        await refreshTokenHandler(provider, helpers, ctx);
        // What upstream has made for a repeated use was not kept: it gets the first one's.
        if (reuse?.successor) Object.assign(ctx.body as object, { refresh_token: reuse.successor });
      } catch (error) {
        const replayed = findReplayed(ctx, error);
        if (replayed) await onReplay(replayed);
        throw error;
      }
    },
    ['refresh_token', 'scope', 'resource', 'authorization_details'],
    ['resource'],
  );
}

/** Members of the engine's registration schema that its types leave out. */
interface PatchableSchema {
  prototype: { scope?: string; invalidate(message: string): never; scopes(): void };
}

/** Scope tokens, separated by one space each (RFC 6749 3.3). */
const SCOPES = /^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/;

/**
 * Upstream lets a client register scopes of its configuration only. Those of
 * resource servers are rows: whether there are such is asked where clients are
 * registered (client-metadata.ts); here only their syntax is looked at.
 */
export function patchClientScopes(provider: Provider): void {
  const { prototype } = (provider.Client as unknown as { Schema: PatchableSchema }).Schema;
  if (typeof prototype.scopes !== 'function') {
    throw new Error('oidc-provider no longer checks the scopes of a client by itself');
  }
  prototype.scopes = function scopes() {
    if (this.scope === undefined) return;
    if (!SCOPES.test(this.scope)) this.invalidate('scope must be scope values and single spaces');
    this.scope = [...new Set(this.scope.split(' '))].join(' ');
  };
}

/** Members of the engine's codes that its types leave out. */
interface PatchableCode {
  prototype: { grantId?: string; consume(): Promise<void> };
}

/**
 * Upstream revokes the grant of a code that it finds used. A code that loses the
 * race for its one use was used twice as well (RFC 6749 4.1.2): whichever of the
 * two was the thief's, neither keeps its tokens.
 */
export function patchCodeConsumption(provider: Provider): void {
  const { prototype } = provider.AuthorizationCode as unknown as PatchableCode;
  const { consume } = prototype;
  prototype.consume = async function consumeOrRevoke() {
    try {
      await consume.call(this);
    } catch (error) {
      if (error instanceof errors.InvalidGrant && this.grantId) {
        await Promise.all([
          provider.AccessToken.revokeByGrantId(this.grantId),
          provider.RefreshToken.revokeByGrantId(this.grantId),
          provider.Grant.adapter.destroy(this.grantId),
        ]);
      }
      throw error;
    }
  };
}

/** Members of the engine's Client that its types leave out. */
interface PatchableClient {
  prototype: {
    clientId: string;
    backchannelLogout?(accountId: string, sid: string): Promise<void>;
    includeSid?(): boolean;
  };
}

/**
 * Upstream tells each client of a logout within the request, once, and waits.
 * Ours are told by a queue (see features/logout-delivery): the end of a session
 * notes them all by itself. What is left to tell of is a logout from one client,
 * the session going on: the answer "no" on a logout page that a client asked for.
 */
export function patchBackchannelLogout(
  provider: Provider,
  onClientLogout: (logout: {
    clientId: string;
    userId: string;
    sessionId: string;
  }) => Promise<void>,
): void {
  const { prototype } = provider.Client as unknown as PatchableClient;
  if (!prototype.backchannelLogout || !prototype.includeSid) {
    throw new Error('oidc-provider no longer has backchannelLogout and includeSid');
  }
  prototype.includeSid = () => true;
  prototype.backchannelLogout = async function noteLogout(userId, sessionId) {
    if (Provider.ctx?.oidc.params?.logout) return;
    await onClientLogout({ clientId: this.clientId, userId, sessionId });
  };
}

/** Thrown by the adapter when another request has used the refresh token in the meantime. */
export class RefreshRaceLost extends errors.InvalidGrant {}

/** A DPoP proof that was found valid. */
export interface DpopProof {
  thumbprint: string;
  jti: string;
}

export type Certificate = X509Certificate | string;
type ErrorClass = new (message?: string) => Error;

/** The engine's helpers for grants of one's own, as far as they are used here. */
export interface GrantHelpers {
  validateDpop(ctx: KoaContextWithOIDC, accessToken?: string): Promise<DpopProof | undefined>;
  checkDpopReplay(
    ctx: KoaContextWithOIDC,
    proof: DpopProof | undefined,
    clientId: string,
    error: ErrorClass,
  ): Promise<void>;
  checkDpopRequired(ctx: KoaContextWithOIDC, proof: DpopProof | undefined): void;
  checkMtlsCert(ctx: KoaContextWithOIDC): Certificate | undefined;
  resolveRequestedResources(ctx: KoaContextWithOIDC): Promise<ResourceServer[]>;
  validateClientScope(ctx: KoaContextWithOIDC, scopes: ReadonlySet<string>): Set<string>;
  buildTokenResponse(response: Record<string, unknown>): Record<string, unknown>;
}

/** The helpers, bound to an engine. */
export const grantHelpersOf = (provider: Provider): GrantHelpers =>
  Object.fromEntries(
    Object.entries(grantHelpers).map(([name, helper]) => [name, helper.bind(undefined, provider)]),
  ) as unknown as GrantHelpers;

/** The engine's effective configuration. */
export const engineConfiguration = (provider: Provider) => instance(provider).configuration;

export { default as thumbprintOf } from 'oidc-provider/lib/helpers/certificate_thumbprint.js';

/**
 * Runs work of the engine for a client of our own without HTTP: with a context
 * that has these parameters and no headers. Nothing from outside gets in here.
 * An ID token is signed only where it is wanted.
 */
export async function runInProcess<T>(
  provider: Provider,
  request: { clientId: string; params: Record<string, string>; wantsIdToken?: boolean },
  work: (ctx: KoaContextWithOIDC) => Promise<T>,
): Promise<T> {
  const ctx = { get: () => '' } as unknown as KoaContextWithOIDC;
  const client = await provider.Client.find(request.clientId);
  if (!client) throw new Error(`there is no client ${request.clientId}`);
  ctx.oidc = Object.assign(new provider.OIDCContext(ctx), { params: request.params });
  ctx.oidc.entity('Client', client);
  if (!request.wantsIdToken) withoutIdToken.add(ctx);
  return als.run(ctx, () => work(ctx));
}

/** Serves a grant as the token endpoint does, once the client is known; the answer is `ctx.body`. */
export async function serveGrant(ctx: KoaContextWithOIDC, grantType: string): Promise<void> {
  const serve = instance(ctx.oidc.provider).grantTypeHandlers.get(grantType);
  if (!serve) throw new Error(`oidc-provider no longer serves ${grantType}`);
  await serve(ctx);
}

/** A new session, with an id of ours (see `patchIdentifiers`). */
export const newSession = (provider: Provider): InstanceType<Provider['Session']> =>
  patchable(provider.Session).instantiate() as InstanceType<Provider['Session']>;

/** Issues access and refresh token as the exchange of a code does; the answer is `ctx.body`. */
export const issueTokens = (
  ctx: KoaContextWithOIDC,
  source: InstanceType<Provider['AuthorizationCode']>,
  grant: Grant,
  gty: string,
): Promise<void> => {
  const { provider } = ctx.oidc;
  const options = { gty, entityLabel: gty };
  return issueEngineTokens(provider, grantHelpersOf(provider), ctx, source, grant, options);
};

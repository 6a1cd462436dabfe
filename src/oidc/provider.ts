import { type Adapter, type Configuration, type KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Config } from '../config.ts';
import type { ClientService } from '../features/client/index.ts';
import type { ResourceServerService } from '../features/resource-server/index.ts';
import type { TenantService } from '../features/tenant/index.ts';
import type { Outbound } from '../infra/outbound.ts';
import type { RateLimits } from '../infra/rate-limits.ts';
import {
  type AccessTokenClaims,
  type AccessTokenVerifier,
  createAccessTokenVerifier,
  patchAccessTokens,
  type RevocationCheck,
} from './access-tokens.ts';
import { acrToTell } from './acr.ts';

import type { CibaHooks } from './ciba/hooks.ts';
import { deferPings, type Pings } from './ciba/pings.ts';
import type { TenantAccount } from './claims.ts';
import type { ClientDirectory } from './clients/documents.ts';
import { createClientLookup } from './clients/lookup.ts';
import { createConfiguration } from './configuration.ts';
import { limitUserCodeGuesses } from './device/guesses.ts';
import type { DevicePages } from './device/pages.ts';
import { patchProofReplay } from './dpop-replay.ts';
import {
  allowUserinfoAudience,
  grantIdOf,
  onRegistration,
  onRequestUri,
  patchAcr,
  patchBackchannelLogout,
  patchClientScopes,
  patchCodeConsumption,
  patchGrantPayload,
  patchIdentifiers,
  patchIdTokens,
  patchRefreshGrant,
} from './internals.ts';
import type { SigningKey } from './keys/signing-keys.ts';
import { accountIdOf } from './pairwise.ts';
import { completePollAnswers, type PollPace } from './poll-pace.ts';
import { patchPolledCodes } from './polled-codes.ts';
import type { EncryptionKey } from './request-encryption.ts';
import { createRequestUriStep } from './request-uri.ts';
import { platformResource } from './resources.ts';
import { registerTokenExchange, type TokenExchangeDeps } from './token-exchange/index.ts';

/** The pages that the engine asks for; `pages.ts` implements them. */
export interface EnginePages extends Omit<DevicePages, 'renderPrefilled'> {
  renderError: NonNullable<Configuration['renderError']>;
  logoutSource(ctx: KoaContextWithOIDC, form: string): Promise<void>;
  postLogoutSuccessSource(ctx: KoaContextWithOIDC): Promise<void>;
}

export interface ProviderDeps {
  config: Config;
  keys: SigningKey[];
  cookieKeys: string[];
  /** Makes pairwise subjects; never changed. */
  pairwiseSecret: Buffer;
  /** 32 bytes that DPoP nonces are made of (RFC 9449 8); the same in every process. */
  dpopSecret: Buffer;
  /** What request objects are encrypted to, where that is switched on. */
  encryptionKey: EncryptionKey | undefined;
  adapter: (model: string) => Adapter;
  resourceServers: Pick<ResourceServerService, 'find'>;
  /** Clients that are registered. */
  registered: Pick<ClientService, 'find' | 'noteFirstToken'>;
  /** These, and those that a document describes. */
  clients: Pick<ClientDirectory, 'find'>;
  rateLimits: Pick<RateLimits, 'hit'>;
  /** Judges a client that registers or changes itself. */
  onRegistration(ctx: KoaContextWithOIDC): Promise<void>;
  tenants: TenantService;
  findAccount(accountId: string): Promise<TenantAccount | undefined>;
  pages: EnginePages;
  /** Requests to addresses that clients name. */
  outbound: Pick<Outbound, 'fetch'>;
  /** Bounds guesses of user codes; `addressKey` maps an address to whoever has it whole. */
  userCodes: Parameters<typeof limitUserCodeGuesses>[1];
  pollPace: PollPace;
  ciba: CibaHooks;
  /** Queues a ping; see `Engine.sendPing`. */
  enqueuePing: Pings['enqueue'];
  revocations: RevocationCheck;
  /** Ends one access token until it would have expired; `exp` in seconds since the epoch. */
  revokeToken(token: { jti: string; exp: number }): Promise<void>;
  /** Writes the audit record of a token exchange. */
  recordExchange: TokenExchangeDeps['record'];
  trustedIssuers: TokenExchangeDeps['trustedIssuers'];
  /** Told of a refresh token that was used twice: ends its session and grant. */
  onReplay(token: InstanceType<Provider['RefreshToken']>): Promise<void>;
  /** Told of a logout from one client of a session that goes on. */
  onClientLogout(logout: { clientId: string; userId: string; sessionId: string }): Promise<void>;
  /** Told of each interaction when it starts, so that an expired one can start again. */
  onInteraction(ctx: KoaContextWithOIDC, uid: string): Promise<void>;
}

export interface Engine {
  provider: Provider;
  /** Tells a client in ping mode that its request was answered. @throws when it does not take it */
  sendPing(authReqId: string): Promise<void>;
  verifier: AccessTokenVerifier;
  /** The account that an access token is about, if it is about one. */
  findAccountId(claims: AccessTokenClaims): Promise<string | undefined>;
}

/**
 * Builds the engine: the only `new Provider` of the project. It closes over its
 * issuer and keys and holds no other state, so that it is rebuilt and swapped
 * when keys change, and several may serve several issuers.
 */
export function buildProvider(deps: ProviderDeps): Engine {
  const lookup = createClientLookup(deps.registered, deps.clients);
  const provider = new Provider(deps.config.ISSUER, createConfiguration(deps, lookup));
  provider.proxy = true;
  const verifier = createAccessTokenVerifier({
    issuer: deps.config.ISSUER,
    keys: deps.keys,
    revocations: deps.revocations,
  });
  allowUserinfoAudience(platformResource(deps.config.ISSUER));
  patchIdentifiers(provider);
  patchIdTokens(provider);
  patchAcr(provider, acrToTell);
  patchGrantPayload(provider);
  patchClientScopes(provider);
  lookup.patch(provider);
  patchAccessTokens(provider, verifier, deps.revokeToken);
  patchCodeConsumption(provider);
  patchRefreshGrant(provider, deps.onReplay);
  patchProofReplay(provider);
  patchPolledCodes(provider);
  patchBackchannelLogout(provider, deps.onClientLogout);
  limitUserCodeGuesses(provider, deps.userCodes);
  completePollAnswers(provider, { issuer: deps.config.ISSUER, pace: deps.pollPace });
  registerTokenExchange(provider, {
    issuer: deps.config.ISSUER,
    tenants: deps.tenants,
    trustedIssuers: deps.trustedIssuers,
    resourceServers: deps.resourceServers,
    storedOf: lookup.storedOf,
    record: deps.recordExchange,
  });
  onRequestUri(provider, createRequestUriStep(deps.outbound));
  onRegistration(provider, deps.onRegistration);
  const sendPing = deferPings(provider, deps.enqueuePing);
  return {
    provider,
    sendPing,
    verifier,
    findAccountId: (claims) =>
      accountIdOf(claims, grantIdOf(claims.jti), (id) => provider.Grant.find(id)),
  };
}

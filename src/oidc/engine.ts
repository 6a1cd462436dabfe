import type { Redis } from 'ioredis';
import type { Knex } from 'knex';
import type { Adapter, KoaContextWithOIDC, Provider } from 'oidc-provider';
import type { Config } from '../config.ts';
import type { ClientService } from '../features/client/index.ts';
import type { LogoutDelivery } from '../features/logout-delivery/index.ts';
import type { InitialAccessTokenService } from '../features/registration/index.ts';
import type { ResourceServerService } from '../features/resource-server/index.ts';
import type { SessionService } from '../features/session/index.ts';
import type { TenantService } from '../features/tenant/index.ts';
import type { TrustedIssuerService } from '../features/trusted-issuer/index.ts';
import { mayHoldTokens, type UserService } from '../features/user/index.ts';
import type { Lookups } from '../infra/lookups.ts';
import type { Notifications } from '../infra/notifications.ts';
import type { Outbound } from '../infra/outbound.ts';
import { ipBucket, type RateLimits } from '../infra/rate-limits.ts';
import type { Revocations } from '../infra/revocations.ts';
import type { Sealer } from '../infra/sealing.ts';
import { loadServerSecrets } from '../infra/server-secrets.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Emit } from '../kernel/events.ts';
import { createAdapterFactory, keepUser, type Pipeline, takeUser } from './adapter/index.ts';
import type { CibaHooks } from './ciba/hooks.ts';
import type { Pings } from './ciba/pings.ts';
import { type TenantAccount, toAccount } from './claims.ts';
import type { ClientDirectory } from './clients/documents.ts';
import { createClientStore, createRegistrationStep } from './clients/registration.ts';
import { guardAdapters, orUnavailable } from './dependency-errors.ts';
import type { HostedPages } from './engine-pages.ts';
import { createEngineHost, type EngineHost } from './host.ts';
import { keyPolicy } from './keys/policy.ts';
import { KEYS_CHANGED } from './keys/repository.ts';
import { readKeys } from './keys/signing-keys.ts';
import { type EngineEvents, listen } from './listeners.ts';
import { createPollPace } from './poll-pace.ts';
import { buildProvider } from './provider.ts';
import { type EncryptionKey, requestEncryptionKey } from './request-encryption.ts';
import type { Restarts } from './restarts.ts';
import { createRevocationCheck } from './revocation-check.ts';
import { createExchangeRecorder } from './token-exchange/record.ts';

export interface EngineDeps {
  config: Config;
  clock: Clock;
  knex: Knex;
  emit: Emit<Knex.Transaction>;
  pipeline: Pick<Pipeline, 'reads' | 'writes'>;
  redis: Redis;
  sealer: Sealer;
  lookups: Lookups;
  rateLimits: RateLimits;
  revocations: Revocations;
  outbound: Outbound;
  clients: ClientService;
  directory: ClientDirectory;
  resourceServers: ResourceServerService;
  sessions: SessionService;
  logouts: Pick<LogoutDelivery, 'endAtClient'>;
  tenants: TenantService;
  trustedIssuers: TrustedIssuerService;
  users: UserService;
  initialAccessTokens: InitialAccessTokenService;
  pages: HostedPages;
  restarts: Restarts;
  ciba: CibaHooks;
  enqueuePing: Pings['enqueue'];
  /** 32 bytes that DPoP nonces are made of; the same in every process. */
  dpopSecret: Buffer;
  notifications: Pick<Notifications, 'listen'>;
  events: EngineEvents;
  onError(error: unknown): void;
  /** Wraps the engine's storage; race tests slow it down. */
  wrapAdapter?: ((factory: (model: string) => Adapter) => (model: string) => Adapter) | undefined;
}

/** What an interaction began with: the path, and the parameters that have a value. */
function toRequest(ctx: KoaContextWithOIDC) {
  const params = ctx.oidc.params as { toPlainObject(): Record<string, unknown> } | undefined;
  const isDevice = ['code_verification', 'device_resume'].includes(ctx.oidc.route);
  return { path: isDevice ? '/device' : '/authorize', params: params?.toPlainObject() ?? {} };
}

/** The engine's one page that it asks nobody for is replaced by ours. */
const withHostedForms = (host: EngineHost, pages: HostedPages): EngineHost => ({
  ...host,
  async middleware(ctx, next) {
    await host.middleware(ctx, next);
    await pages.replaceForm(ctx);
  },
});

/** The key that request objects may be encrypted to, where the deployment offers that. */
async function loadEncryptionKey(deps: EngineDeps): Promise<EncryptionKey | undefined> {
  if (!deps.config.REQUEST_OBJECT_ENCRYPTION) return undefined;
  const [secret] = await loadServerSecrets(deps, 'request-objects');
  return secret && requestEncryptionKey(secret);
}

/** An account that may hold tokens; the row that the request has read already, if it has. */
export const createFindAccount =
  (users: Pick<UserService, 'findAccount'>) =>
  async (accountId: string): Promise<TenantAccount | undefined> => {
    const taken = takeUser(accountId);
    const found = taken ?? (await users.findAccount(accountId));
    if (found && !taken) keepUser(found);
    return found && mayHoldTokens(found.user) ? toAccount(found.user, found.tenantIds) : undefined;
  };

/** The engine with its storage, keys and pages, in a host that swaps it when keys change. */
export async function createEngine(deps: EngineDeps): Promise<EngineHost> {
  const { config, clients, sessions } = deps;
  const findAccount = createFindAccount(deps.users);
  // The first that there was: it is never changed.
  const pairwiseSecret = (await loadServerSecrets(deps, 'pairwise')).at(-1) as Buffer;
  const encryptionKey = await loadEncryptionKey(deps);
  const factory = createAdapterFactory({
    ...deps,
    pool: deps.pipeline.writes,
    reads: deps.pipeline.reads,
    clientStore: createClientStore(deps),
    sessionLimits: { idle: config.SESSION_IDLE_TTL, absolute: config.SESSION_ABSOLUTE_TTL },
  });
  const adapter = guardAdapters(deps.wrapAdapter ? deps.wrapAdapter(factory) : factory);
  const onReplay = async (token: InstanceType<Provider['RefreshToken']>): Promise<void> => {
    deps.events.refreshReplayed(token.accountId);
    await orUnavailable(() => sessions.replayDetected(token));
  };
  const { algs } = keyPolicy(config);
  const pollPace = createPollPace(deps);
  const revocationCheck = createRevocationCheck(deps.revocations, sessions);
  const host = await createEngineHost({
    algs,
    readKeys: () => readKeys(deps, algs),
    watchKeys: (onChange) => deps.notifications.listen(KEYS_CHANGED, onChange),
    jwksMaxAge: config.JWKS_MAX_AGE,
    encryptionKeys: encryptionKey ? [encryptionKey.published] : [],
    build({ signing, cookies }) {
      const engine = buildProvider({
        config,
        keys: signing,
        cookieKeys: cookies,
        pairwiseSecret,
        dpopSecret: deps.dpopSecret,
        encryptionKey,
        adapter,
        resourceServers: {
          find: (audience) => orUnavailable(() => deps.resourceServers.find(audience)),
        },
        clients: { find: (clientId) => orUnavailable(() => deps.directory.find(clientId)) },
        rateLimits: deps.rateLimits,
        registered: {
          find: (clientId) => orUnavailable(() => clients.find(clientId)),
          noteFirstToken: (clientId) => clients.noteFirstToken(clientId),
        },
        onRegistration: createRegistrationStep(deps),
        tenants: deps.tenants,
        findAccount: (accountId) => orUnavailable(() => findAccount(accountId)),
        pages: deps.pages,
        outbound: deps.outbound,
        userCodes: { rateLimits: deps.rateLimits, addressKey: ipBucket },
        pollPace,
        ciba: deps.ciba,
        enqueuePing: deps.enqueuePing,
        revocations: revocationCheck,
        revokeToken: sessions.revokeToken,
        recordExchange: createExchangeRecorder(deps),
        trustedIssuers: deps.trustedIssuers,
        onReplay,
        onClientLogout: deps.logouts.endAtClient,
        onInteraction: (ctx, uid) =>
          orUnavailable(() => deps.restarts.remember(uid, toRequest(ctx))),
      });
      listen(engine.provider, deps.events);
      return engine;
    },
    onSwap: ({ signing }) => deps.events.keysSwapped(signing.map((key) => key.kid)),
    onError: deps.onError,
  });
  return withHostedForms(host, deps.pages);
}

import type { Knex } from 'knex';
import { openApiDocument } from './api-document.ts';
import type { Config } from './config.ts';
import { createOutboxRelay, type OutboxRelay } from './features/audit/index.ts';
import {
  type ClientService,
  createClientService,
  withPagesClient,
} from './features/client/index.ts';
import { createLogoutDelivery, type LogoutDelivery } from './features/logout-delivery/index.ts';
import {
  createInitialAccessTokenService,
  type InitialAccessTokenService,
} from './features/registration/index.ts';
import {
  createResourceServerService,
  type ResourceServerService,
} from './features/resource-server/index.ts';
import { createSessionService, type SessionService } from './features/session/index.ts';
import {
  createAttemptLimits,
  createSignInService,
  type SignInService,
} from './features/sign-in/index.ts';
import { createTenantService, type TenantService } from './features/tenant/index.ts';
import {
  createTrustedIssuerService,
  type TrustedIssuerService,
} from './features/trusted-issuer/index.ts';
import { createUserService, type UserService } from './features/user/index.ts';
import { createHealth, type Health } from './infra/health.ts';
import { securityEvent } from './infra/logger.ts';
import { createLookups } from './infra/lookups.ts';
import { createMailer, type Mailer } from './infra/mail.ts';
import { createEmit } from './infra/outbox.ts';
import {
  createRateLimits,
  createRequestLimiter,
  ipBucket,
  type RateLimits,
} from './infra/rate-limits.ts';
import { loadServerSecrets } from './infra/server-secrets.ts';
import { createInfrastructure, type Infrastructure, type Overrides } from './infrastructure.ts';
import type { Emit } from './kernel/events.ts';
import type { ApiOptions, Route } from './kernel/http/index.ts';
import { purgeExpired } from './oidc/adapter/index.ts';
import { createAuthenticate } from './oidc/authenticate.ts';
import { createSendLogout } from './oidc/backchannel-logout.ts';
import { type Approvals, createApprovals } from './oidc/ciba/approvals.ts';
import { createCiba } from './oidc/ciba/hooks.ts';
import { RETURN_PATH } from './oidc/ciba/pages.ts';
import { createPings, PING_RETRIES, type Pings } from './oidc/ciba/pings.ts';
import { createThumbprintReader } from './oidc/client-certificate.ts';
import { type ClientDirectory, createClientDirectory } from './oidc/clients/documents.ts';
import { assertKnownScopes, validateClientMetadata } from './oidc/clients/metadata.ts';
import { checkDpopProof, dpopAlgorithms } from './oidc/dpop-proof.ts';
import { createEngine, createFindAccount } from './oidc/engine.ts';
import { createEnginePages } from './oidc/engine-pages.ts';
import type { EngineHost } from './oidc/host.ts';
import { keyPolicy } from './oidc/keys/policy.ts';
import { createKeyRotation, type KeyRotation } from './oidc/keys/rotation.ts';
import type { EngineEvents } from './oidc/listeners.ts';
import { createRestarts, type Restarts } from './oidc/restarts.ts';
import { createMails, createPages, type MailRequest } from './pages/index.ts';
import { apiRoutes } from './routes.ts';
import { assetVersion } from './web/assets.ts';
import { createErrorPages, type ErrorPages } from './web/error-pages.ts';
import { type CsrfTokens, createCsrfTokens } from './web/forms.ts';
import { createPageRenderer, type PageRenderer } from './web/page-renderer.ts';

/** Everything a running process is made of; handed out by hand, there is no container. */
export interface Deps extends Infrastructure {
  config: Config;
  health: Health;
  emit: Emit<Knex.Transaction>;
  tenants: TenantService;
  users: UserService;
  clients: ClientService;
  directory: ClientDirectory;
  resourceServers: ResourceServerService;
  initialAccessTokens: InitialAccessTokenService;
  trustedIssuers: TrustedIssuerService;
  sessions: SessionService;
  logouts: LogoutDelivery;
  signIn: SignInService;
  outbox: OutboxRelay;
  engine: EngineHost;
  restarts: Restarts;
  pages: PageRenderer;
  errorPages: ErrorPages;
  csrf: CsrfTokens;
  keyRotation: KeyRotation;
  mailer: Mailer<MailRequest>;
  approvals: Approvals;
  rateLimits: RateLimits;
  pings: Pings;
  routes: Route[];
  limiter: ApiOptions['limiter'];
  authenticate: ApiOptions['authenticate'];
  dpopAlgs: NonNullable<ApiOptions['dpopAlgs']>;
  openApi(): string;
  /** Deletes a batch of expired artefacts of the engine. @returns how many */
  purgeExpired(): Promise<number>;
  close(): Promise<void>;
}

export type { Overrides };

/** Requests of one address to the API: for all routes together, and for each sensitive one. */
const REQUEST_BUDGETS = {
  default: { limit: 600, windowMs: 60_000, perRoute: false },
  sensitive: { limit: 30, windowMs: 60_000, perRoute: true },
};

/** Rows of each table that one purge deletes at most. */
const PURGE_BATCH = 1_000;

/** Milliseconds that a dependency has to answer a health check. */
const CHECK_TIMEOUT = 1_000;

const folder = (name: string): URL => new URL(`../${name}/`, import.meta.url);

/** Logs and counts what came of each sign-in. */
const reportSignIn =
  ({ log, metrics }: Infrastructure): Parameters<typeof createSignInService>[0]['onResult'] =>
  (result, facts) => {
    metrics.loginTotal.inc({ result });
    if (result === 'locked') securityEvent(log, 'auth.lockout', facts);
    if (result === 'rate_limited') securityEvent(log, 'auth.rate_limited', facts);
    if (result === 'busy') securityEvent(log, 'auth.hash_busy', facts);
    if (result === 'failure') securityEvent(log, 'auth.login_failed', facts);
  };

/** Tells clients of sessions that have ended. */
function createLogouts(config: Config, infra: Infrastructure, engine: () => EngineHost) {
  const { knex } = infra.postgres;
  const { log, metrics, clock, outbound } = infra;
  const attempts = config.BACKCHANNEL_LOGOUT_ATTEMPTS;
  const backoff = config.BACKCHANNEL_LOGOUT_BACKOFF;
  return createLogoutDelivery({
    ...{ knex, clock, attempts, backoff },
    queue: infra.queues.create('backchannel-logout', { attempts, backoff, isRecorded: true }),
    send: createSendLogout({ provider: () => engine().current().provider, outbound }),
    onResult(result, { id, clientId, attempts: tries }, answer) {
      metrics.backchannelLogoutTotal.inc({ result });
      if (answer.isDelivered) return;
      const { failure, status, cause } = answer;
      const facts = { logoutId: id, clientId, tries, failure, status, err: cause };
      if (result === 'failed') log.warn(facts, 'back-channel logout given up');
      else log.info(facts, 'back-channel logout is tried again');
    },
    onError: (error) => log.warn({ err: error }, 'back-channel logout not queued yet'),
  });
}

/** Mails, from a queue. Outside development nothing is sent without a server. */
function createMail(config: Config, infra: Infrastructure): Mailer<MailRequest> {
  return createMailer({
    ...infra,
    url: config.SMTP_URL,
    from: config.MAIL_FROM,
    folder: config.NODE_ENV === 'development' ? '.data/mail' : null,
    render: createMails({ viewsDir: folder('views'), localesDir: folder('locales') }),
    onResult: (result) => infra.metrics.mailTotal.inc({ result }),
  });
}

/** What CIBA stands on: links to requests, and pings of clients. */
function createCibaParts(
  config: Config,
  infra: Infrastructure,
  features: Features,
  web: Awaited<ReturnType<typeof createWeb>>,
  engine: () => EngineHost,
) {
  const mailer = createMail(config, infra);
  const approvals = createApprovals(infra);
  const pings = createPings({
    ...infra,
    queue: infra.queues.create('ciba-ping', PING_RETRIES),
    send: (authReqId) => engine().current().sendPing(authReqId),
    onResult: (result) => infra.metrics.pingTotal.inc({ result }),
  });
  const ciba = createCiba({
    ...infra,
    ...features,
    ...web,
    issuer: config.ISSUER,
    isLocked: features.signIn.isLocked,
    mailer,
    approvals,
  });
  return { mailer, approvals, pings, ciba };
}

/** The features, each with what it needs and no more. */
function createFeatures(config: Config, infra: Infrastructure, engine: () => EngineHost) {
  const { clock, log, postgres, sealer, revocations, passwords } = infra;
  const { knex, pool } = postgres;
  const emit = createEmit(clock);
  const tenants = createTenantService({ knex, clock });
  const users = createUserService({ knex, clock, emit, passwords });
  const logouts = createLogouts(config, infra, engine);
  const sessions = createSessionService({
    knex,
    pool,
    emit,
    clock,
    sealer,
    revocations,
    onEnded: (count) => infra.metrics.sessionRevokedTotal.inc(count),
    onLogouts: logouts.dispatch,
  });
  const resourceServers = createResourceServerService({ knex, clock, issuer: config.ISSUER });
  const ownClients = createClientService({
    knex,
    clock,
    sealer,
    async validateMetadata(metadata, tenantId) {
      await validateClientMetadata(engine().current().provider, metadata);
      await assertKnownScopes(metadata, () => resourceServers.listScopeNames(tenantId));
    },
  });
  const clients = withPagesClient(ownClients, {
    redirectUri: `${config.ISSUER}${RETURN_PATH}`,
    findPlatform: () => tenants.ensurePlatform(),
  });
  const directory = createClientDirectory({
    config,
    clients,
    tenants,
    engine: () => engine().current().provider,
  });
  const initialAccessTokens = createInitialAccessTokenService({ knex, clock });
  const rateLimits = createRateLimits({ redis: infra.redis, clock });
  const signIn = createSignInService({
    knex,
    clock,
    emit,
    passwords,
    users,
    tenants,
    attempts: createAttemptLimits(rateLimits, clock, ipBucket),
    onResult: reportSignIn(infra),
    onBackgroundError: (error) => log.error({ err: error }, 'background work failed'),
  });
  return {
    emit,
    tenants,
    users,
    sessions,
    logouts,
    clients,
    directory,
    initialAccessTokens,
    resourceServers,
    rateLimits,
    signIn,
  };
}

type Features = ReturnType<typeof createFeatures>;

/** A Redis that comes back may have lost the revocation set: Postgres knows what was in it. */
function restoreRevocationsOnReady({ redis, log }: Infrastructure, { sessions }: Features): void {
  redis.on('ready', () => {
    sessions.restoreRevocations().then(
      (count) => log.info({ count }, 'revocation set restored'),
      (error: unknown) => log.error({ err: error }, 'revocation set not restored'),
    );
  });
}

/** What the hosted pages share. */
async function createWeb(
  config: Config,
  infra: Infrastructure,
  features: Features,
  engine: () => EngineHost,
) {
  const secrets = { knex: infra.postgres.knex, sealer: infra.sealer, clock: infra.clock };
  const csrf = createCsrfTokens(() => engine().secrets().csrf);
  const [dpopSecret = Buffer.alloc(0)] = await loadServerSecrets(secrets, 'dpop');
  const lookups = createLookups(await loadServerSecrets(secrets, 'lookups'));
  const restarts = createRestarts(infra.redis, features.directory);
  const pages = createPageRenderer({
    pages: createPages({
      viewsDir: folder('views'),
      localesDir: folder('locales'),
      assetVersion: assetVersion(),
      cache: config.NODE_ENV !== 'development',
    }),
    tenants: features.tenants,
    secureCookies: config.ISSUER.startsWith('https:'),
  });
  const errorPages = createErrorPages({ pages, findRestart: restarts.find });
  return { dpopSecret, csrf, lookups, restarts, pages, errorPages };
}

/** Counters and log lines for what the engine tells. */
const engineEvents = ({ log, metrics }: Infrastructure): EngineEvents => ({
  tokenIssued(grantType) {
    if (grantType === 'refresh_token') metrics.refreshTotal.inc({ result: 'success' });
  },
  tokenRefused(grantType) {
    if (grantType === 'refresh_token') metrics.refreshTotal.inc({ result: 'failure' });
  },
  refreshReplayed: (userId) =>
    securityEvent(log, 'security.refresh_replay_detected', { userId: userId ?? null }),
  serverError: (error) => log.error({ err: error }, 'engine error'),
  keysSwapped: (kids) => log.info({ kids }, 'signing keys changed'),
});

/** The API's routes and who may call them. */
function createApiParts(
  config: Config,
  infra: Infrastructure,
  features: Features,
  engine: EngineHost,
) {
  const dpopAlgs = () => dpopAlgorithms(engine.current().provider);
  const routes = apiRoutes({ users: features.users });
  let document: string | undefined;
  return {
    routes,
    limiter: createRequestLimiter(features.rateLimits, REQUEST_BUDGETS),
    authenticate: createAuthenticate({
      issuer: config.ISSUER,
      verifier: () => engine.current().verifier,
      findAccountId: (claims) => engine.current().findAccountId(claims),
      findAccount: createFindAccount(features.users),
      findClient: features.directory.find,
      checkDpopProof: (request, respond) =>
        checkDpopProof(engine.current().provider, request, respond),
      certificateThumbprint: createThumbprintReader(config.MTLS_CERTIFICATE_HEADER),
      dpopAlgs,
    }),
    dpopAlgs,
    openApi() {
      document ??= JSON.stringify(openApiDocument(routes, config.ISSUER));
      return document;
    },
    purgeExpired: () =>
      purgeExpired({ pool: infra.postgres.pool, clock: infra.clock }, { batch: PURGE_BATCH }),
  };
}

function createProbes(infra: Infrastructure, engine: EngineHost, outbox: OutboxRelay): Health {
  const { metrics, postgres, redis, passwords, clock } = infra;
  const health = createHealth({
    checks: {
      postgres: () => postgres.ping(),
      redis: async () => {
        await redis.ping();
      },
    },
    clock,
    timeoutMs: CHECK_TIMEOUT,
    onResult: (dep, isUp) => metrics.dependencyUp.set({ dep }, isUp ? 1 : 0),
  });
  metrics.onCollect(async () => {
    metrics.hashQueueDepth.set(passwords.queueDepth());
    metrics.keyAgeSeconds.set(engine.keyAge(clock.now()));
    metrics.outboxLagSeconds.set(await outbox.lag());
  });
  metrics.onCollect(async () => {
    await health.ready();
  });
  return health;
}

/**
 * Wires a process by hand.
 * @throws when Postgres or Redis cannot be reached, or the key-encryption key
 *   is missing, malformed or not the one that sealed the keys
 */
export async function createDeps(config: Config, overrides: Overrides = {}): Promise<Deps> {
  const infra = await createInfrastructure(config, overrides);
  let engine: EngineHost | undefined;
  const currentEngine = (): EngineHost => {
    if (!engine) throw new Error('the engine is not up yet');
    return engine;
  };
  const features = createFeatures(config, infra, currentEngine);
  restoreRevocationsOnReady(infra, features);
  const web = await createWeb(config, infra, features, currentEngine);
  const trustedIssuers = createTrustedIssuerService({
    ...features,
    knex: infra.postgres.knex,
    clock: infra.clock,
    fetch: infra.outbound.fetch,
    ownIssuer: config.ISSUER,
  });
  const cibaParts = createCibaParts(config, infra, features, web, currentEngine);
  engine = await createEngine({
    ...infra,
    ...features,
    trustedIssuers,
    knex: infra.postgres.knex,
    config,
    dpopSecret: web.dpopSecret,
    restarts: web.restarts,
    lookups: web.lookups,
    pages: createEnginePages({ ...web, ...features, clients: features.directory }),
    ciba: cibaParts.ciba,
    enqueuePing: cibaParts.pings.enqueue,
    events: engineEvents(infra),
    onError: (error) => infra.log.error({ err: error }, 'keys could not be read'),
    wrapAdapter: overrides.wrapAdapter,
  });
  const outbox = createOutboxRelay({ knex: infra.postgres.knex, clock: infra.clock });
  return {
    config,
    ...infra,
    ...features,
    trustedIssuers,
    ...web,
    ...createApiParts(config, infra, features, engine),
    ...cibaParts,
    outbox,
    engine,
    keyRotation: createKeyRotation({
      ...infra,
      ...features,
      knex: infra.postgres.knex,
      policy: keyPolicy(config),
    }),
    health: createProbes(infra, engine, outbox),
    async close() {
      engine.stop();
      await infra.queues.close();
      cibaParts.mailer.close();
      await infra.passwords.close();
      infra.redis.disconnect();
      await Promise.all([
        infra.outbound.close(),
        infra.notifications.close(),
        infra.pipeline.close(),
        infra.postgres.close(),
      ]);
    },
  };
}

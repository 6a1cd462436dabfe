import type { Config } from '../config.ts';
import { createClientService, withBuiltInClients } from '../features/client/index.ts';
import { createLogoutDelivery } from '../features/logout-delivery/index.ts';
import { createPasswordPolicy } from '../features/password/index.ts';
import { createInitialAccessTokenService } from '../features/registration/index.ts';
import { createResourceServerService } from '../features/resource-server/index.ts';
import { createSessionService } from '../features/session/index.ts';
import { createTenantService } from '../features/tenant/index.ts';
import { createUserService } from '../features/user/index.ts';
import { createEmit } from '../infra/outbox.ts';
import { createRateLimits } from '../infra/rate-limits.ts';
import type { Infrastructure } from '../infrastructure.ts';
import { createSendLogout } from '../oidc/backchannel-logout.ts';
import { RETURN_PATH } from '../oidc/ciba/pages.ts';
import { createClientDirectory } from '../oidc/clients/documents.ts';
import { assertKnownScopes, validateClientMetadata } from '../oidc/clients/metadata.ts';
import { FORGOT_RETURN_PATH } from '../oidc/forgot-link.ts';
import type { EngineHost } from '../oidc/host.ts';
import { EVERYWHERE_RETURN_PATH } from '../oidc/sign-out-everywhere.ts';
import { RETURN_PATH as ACCOUNT_RETURN_PATH } from '../web/account/sign-in-port.ts';
import { createConfigurations } from './configurations.ts';

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

/** The features, each with what it needs and no more. */
export function createFeatures(config: Config, infra: Infrastructure, engine: () => EngineHost) {
  const { clock, postgres, sealer, revocations, passwords } = infra;
  const { knex, pool } = postgres;
  const emit = createEmit(clock);
  const tenants = createTenantService({ knex, clock });
  const { breaches, strength } = infra;
  const passwordPolicy = createPasswordPolicy({ tenants, breaches, strength });
  const users = createUserService({ knex, clock, emit, passwords, passwordPolicy, tenants });
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
  const clients = withBuiltInClients(ownClients, {
    redirectUris: [RETURN_PATH, EVERYWHERE_RETURN_PATH, FORGOT_RETURN_PATH].map(
      (path) => `${config.ISSUER}${path}`,
    ),
    accountRedirectUri: `${config.ISSUER}${ACCOUNT_RETURN_PATH}`,
    findPlatform: () => tenants.ensurePlatform(),
  });
  const directory = createClientDirectory({
    config,
    clients,
    tenants,
    engine: () => engine().current().provider,
  });
  const configurations = createConfigurations({ knex, clock, emit, sealer });
  const initialAccessTokens = createInitialAccessTokenService({ knex, clock });
  const rateLimits = createRateLimits({ redis: infra.redis, clock });
  return {
    emit,
    tenants,
    passwordPolicy,
    users,
    sessions,
    logouts,
    clients,
    directory,
    initialAccessTokens,
    configurations,
    resourceServers,
    rateLimits,
  };
}

export type Features = ReturnType<typeof createFeatures>;

import type { Config } from './config.ts';
import { createConsumers } from './consumers.ts';
import {
  createTrustedIssuerService,
  type TrustedIssuerService,
} from './features/trusted-issuer/index.ts';
import type { Health } from './infra/health.ts';
import { createLookups } from './infra/lookups.ts';
import { loadServerSecrets } from './infra/server-secrets.ts';
import { createInfrastructure, type Infrastructure, type Overrides } from './infrastructure.ts';
import { createEngine } from './oidc/engine.ts';
import { createEnginePages } from './oidc/engine-pages.ts';
import type { EngineHost } from './oidc/host.ts';
import { keyPolicy } from './oidc/keys/policy.ts';
import { createKeyRotation, type KeyRotation } from './oidc/keys/rotation.ts';
import { type AccountMeans, type Accounts, createAccounts } from './wiring/accounts.ts';
import { createApiParts } from './wiring/api.ts';
import { createCibaParts } from './wiring/ciba.ts';
import { engineEvents } from './wiring/engine-events.ts';
import { createEventParts, type EventParts } from './wiring/events.ts';
import { createFeatures, type Features } from './wiring/features.ts';
import { createProbes } from './wiring/health.ts';
import { createMessaging, type Messaging } from './wiring/messaging.ts';
import { createOversight, type Oversight } from './wiring/oversight.ts';
import { createWeb, type Web } from './wiring/web.ts';

/** Everything a running process is made of; handed out by hand, there is no container. */
export interface Deps
  extends Infrastructure,
    Features,
    Accounts,
    Omit<AccountMeans, 'engine'>,
    Messaging,
    Web,
    Oversight,
    ReturnType<typeof createApiParts>,
    ReturnType<typeof createCibaParts>,
    EventParts {
  config: Config;
  health: Health;
  trustedIssuers: TrustedIssuerService;
  engine: EngineHost;
  keyRotation: KeyRotation;
  close(): Promise<void>;
}

export type { Overrides };

/** A Redis that comes back may have lost the revocation set: Postgres knows what was in it. */
function restoreRevocationsOnReady({ redis, log }: Infrastructure, { sessions }: Features): void {
  redis.on('ready', () => {
    sessions.restoreRevocations().then(
      (count) => log.info({ count }, 'revocation set restored'),
      (error: unknown) => log.error({ err: error }, 'revocation set not restored'),
    );
  });
}

/** Messages to people, and the key that short values are looked up by. */
async function createMeans(
  config: Config,
  infra: Infrastructure,
  features: Features,
  engine: () => EngineHost,
) {
  const secrets = { knex: infra.postgres.knex, sealer: infra.sealer, clock: infra.clock };
  const lookups = createLookups(await loadServerSecrets(secrets, 'lookups'));
  const deviceKeys = await loadServerSecrets(secrets, 'devices');
  const challengeKeys = await loadServerSecrets(secrets, 'mfa-challenges');
  const messaging = createMessaging(config, infra, features);
  return { ...messaging, lookups, deviceKeys, challengeKeys, engine };
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
  const means = await createMeans(config, infra, features, currentEngine);
  const accounts = createAccounts(config, infra, features, means);
  restoreRevocationsOnReady(infra, features);
  const web = await createWeb(config, infra, features, currentEngine);
  const oversight = createOversight(infra, features, web);
  const trustedIssuers = createTrustedIssuerService({
    ...features,
    knex: infra.postgres.knex,
    clock: infra.clock,
    fetch: infra.outbound.fetch,
    ownIssuer: config.ISSUER,
  });
  const cibaParts = createCibaParts(config, infra, features, accounts, web, means);
  engine = await createEngine({
    ...infra,
    ...features,
    trustedIssuers,
    knex: infra.postgres.knex,
    config,
    dpopSecret: web.dpopSecret,
    restarts: web.restarts,
    lookups: means.lookups,
    pages: createEnginePages({ ...web, ...features, clients: features.directory }),
    ciba: cibaParts.ciba,
    enqueuePing: cibaParts.pings.enqueue,
    events: engineEvents(infra),
    onError: (error) => infra.log.error({ err: error }, 'keys could not be read'),
    wrapAdapter: overrides.wrapAdapter,
  });
  const events = await createEventParts(config, infra, () => consumers);
  const deps: Deps = {
    config,
    ...infra,
    ...features,
    ...accounts,
    ...means,
    trustedIssuers,
    ...web,
    ...oversight,
    ...createApiParts(config, infra, { ...features, ...accounts, ...oversight }, engine),
    ...cibaParts,
    ...events,
    engine,
    keyRotation: createKeyRotation({
      ...infra,
      ...features,
      knex: infra.postgres.knex,
      policy: keyPolicy(config),
    }),
    health: createProbes(infra, engine, events),
    async close() {
      engine.stop();
      await events.outbox.close();
      await infra.queues.close();
      await means.posts.close();
      await infra.passwords.close();
      await infra.strength.close();
      infra.redis.disconnect();
      await Promise.all([
        infra.outbound.close(),
        infra.breaches.close(),
        infra.notifications.close(),
        infra.pipeline.close(),
        infra.postgres.close(),
      ]);
    },
  };
  const consumers = createConsumers(deps);
  return deps;
}

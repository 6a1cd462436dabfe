import type { Adapter } from 'oidc-provider';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { createBreaches } from './infra/breaches.ts';
import { loadSealer } from './infra/key-encryption-key.ts';
import { createLogger } from './infra/logger.ts';
import { createMetrics } from './infra/metrics.ts';
import { createNotifications, NOTIFICATION_CONNECTIONS } from './infra/notifications.ts';
import { createOutbound, type OutboundOptions } from './infra/outbound.ts';
import { configuredCost, createPasswords } from './infra/passwords/index.ts';
import { createStrengthMeter } from './infra/passwords/strength.ts';
import { createPostgres } from './infra/postgres.ts';
import { createQueues } from './infra/queues.ts';
import { createRedis } from './infra/redis.ts';
import { createRevocations } from './infra/revocations.ts';
import { type Clock, systemClock } from './kernel/clock.ts';
import { longestAccessToken } from './kernel/lifetimes.ts';
import { createPipeline, PIPELINE_CONNECTIONS } from './oidc/adapter/index.ts';

/** What tests replace: time, the log's destination, the network outside, the speed of storage. */
export interface Overrides {
  clock?: Clock;
  log?: Logger;
  /** How requests to addresses of clients resolve names, and whom they trust. */
  outbound?: OutboundOptions;
  wrapAdapter?: (factory: (model: string) => Adapter) => (model: string) => Adapter;
}

/** Milliseconds that a request waits for a database connection. */
const ACQUIRE_TIMEOUT = 3_000;

/**
 * Opens the stores, and what stands directly on them.
 * @throws when Redis cannot be reached or the key-encryption key cannot be had
 */
export async function createInfrastructure(config: Config, overrides: Overrides) {
  const clock = overrides.clock ?? systemClock;
  const log = overrides.log ?? createLogger({ level: config.LOG_LEVEL });
  const metrics = createMetrics();
  const url = config.DATABASE_URL.reveal();
  const onError = (dependency: string) => (error: Error) =>
    log.warn({ err: error, dependency }, 'connection lost');
  const postgres = createPostgres({
    url,
    poolSize: config.DATABASE_POOL_SIZE - PIPELINE_CONNECTIONS - NOTIFICATION_CONNECTIONS,
    acquireTimeout: ACQUIRE_TIMEOUT,
    statementTimeout: config.DATABASE_STATEMENT_TIMEOUT,
    onError: onError('postgres'),
  });
  const redis = createRedis({
    url: config.REDIS_URL.reveal(),
    prefix: config.REDIS_PREFIX,
    onError: onError('redis'),
  });
  const pipeline = createPipeline({
    url,
    createSocket: postgres.createSocket,
    connectTimeout: ACQUIRE_TIMEOUT,
    statementTimeout: config.DATABASE_STATEMENT_TIMEOUT,
    onError: onError('postgres'),
  });
  const notifications = createNotifications({
    url,
    createSocket: postgres.createSocket,
    connectTimeout: ACQUIRE_TIMEOUT,
    onError: onError('postgres'),
  });
  const sealer = loadSealer(config);
  await redis.connect();
  const revocations = createRevocations({
    redis,
    clock,
    maxTtl: longestAccessToken(config),
  });
  const passwords = createPasswords({
    concurrency: config.MAX_CONCURRENT_HASHES,
    queueLimit: config.HASH_QUEUE_LIMIT,
    cost: configuredCost(config),
  });
  const breaches = createBreaches({
    rangeUrl: config.BREACH_RANGE_URL,
    file: config.BREACH_FILE,
    onResult(result, error) {
      metrics.breachCheckTotal.inc({ result });
      if (error) log.warn({ err: error }, 'passwords of breaches could not be looked up');
    },
  });
  const outbound = createOutbound(
    [...config.OUTBOUND_ALLOWED_HOSTS, ...config.suiteHosts],
    overrides.outbound,
  );
  if (config.suiteHosts.length > 0) {
    log.warn(
      { hosts: config.suiteHosts },
      'PROFILE=conformance: clients at these hosts need no PKCE, and requests may reach them',
    );
  }
  const queues = createQueues({
    url: config.REDIS_URL.reveal(),
    prefix: config.REDIS_PREFIX,
    log,
  });
  return {
    clock,
    log,
    metrics,
    postgres,
    notifications,
    pipeline,
    redis,
    sealer,
    revocations,
    passwords,
    breaches,
    strength: createStrengthMeter(),
    outbound,
    queues,
  };
}

export type Infrastructure = Awaited<ReturnType<typeof createInfrastructure>>;

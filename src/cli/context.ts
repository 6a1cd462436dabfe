import type { Redis } from 'ioredis';
import type { Knex } from 'knex';
import { type Config, loadConfig } from '../config.ts';
import type { Deps } from '../deps.ts';
import type { ClientService } from '../features/client/index.ts';
import type { ConfigurationService } from '../features/configuration/index.ts';
import type { InitialAccessTokenService } from '../features/registration/index.ts';
import type { ResourceServerService } from '../features/resource-server/index.ts';
import type { SessionService } from '../features/session/index.ts';
import type { Unlocking } from '../features/sign-in/index.ts';
import type { Tenant, TenantService } from '../features/tenant/index.ts';
import type { TrustedIssuerService } from '../features/trusted-issuer/index.ts';
import type { UserService } from '../features/user/index.ts';
import type { OneTimeCodes } from '../infra/one-time-codes.ts';
import type { Postgres } from '../infra/postgres.ts';
import { systemClock } from '../kernel/clock.ts';
import type { Emit } from '../kernel/events.ts';
import { longestAccessToken } from '../kernel/lifetimes.ts';
import { CliError } from './errors.ts';
import { lateSealer, openDatabase, openRedis } from './stores.ts';

/**
 * What commands work with. Everything is loaded and opened at its first use,
 * so that a command needs only what it asks for, and closed by `close`.
 */
export interface Context {
  /** @throws ConfigError */
  readonly config: Config;
  /** Whether LOG_LEVEL asks for stack traces. */
  isVerbose(): boolean;
  /** @param options `statementTimeout` milliseconds, 0 for none; what the first call says holds */
  database(options?: { statementTimeout?: number }): Promise<Postgres>;
  /** @throws CliError when Redis does not answer */
  redis(): Promise<Redis>;
  tenants(): Promise<TenantService>;
  /** @throws CliError when there is no tenant of that slug or id */
  tenant(name: string): Promise<Tenant>;
  users(): Promise<UserService>;
  /** Without the engine, which only creating and changing metadata need. */
  clients(): Promise<Omit<ClientService, 'create' | 'update'>>;
  resourceServers(): Promise<ResourceServerService>;
  configurations(): Promise<ConfigurationService>;
  sessions(): Promise<SessionService>;
  /** To lift lockouts. */
  /** Lifts locks of accounts. */
  unlocking(): Promise<Unlocking>;
  codes(): Promise<Pick<OneTimeCodes, 'unlock'>>;
  initialAccessTokens(): Promise<InitialAccessTokenService>;
  /** Without verifying tokens, which only the service does. */
  trustedIssuers(): Promise<Omit<TrustedIssuerService, 'authenticate'>>;
  /** The whole service, wired but not listening; makes signing keys where there are none. */
  deps(): Promise<Deps>;
  close(): Promise<void>;
}

/** Runs `make` once and keeps what it gives. */
function once<A extends unknown[], T>(make: (...args: A) => Promise<T>) {
  let made: Promise<T> | undefined;
  return (...args: A): Promise<T> => {
    made ??= make(...args);
    return made;
  };
}

type Closers = (() => Promise<void> | void)[];
type Stores = Pick<Context, 'database' | 'redis'> & { config(): Config };

const createEmit = async (): Promise<Emit<Knex.Transaction>> =>
  (await import('../infra/outbox.ts')).createEmit(systemClock);

/** The rules for new passwords. Breaches that cannot be looked up are as little a fault as elsewhere. */
async function createPolicy(config: Config, tenants: TenantService, closers: Closers) {
  const { createPasswordPolicy } = await import('../features/password/index.ts');
  const { createBreaches } = await import('../infra/breaches.ts');
  const { createStrengthMeter } = await import('../infra/passwords/strength.ts');
  const { BREACH_RANGE_URL: rangeUrl, BREACH_FILE: file } = config;
  const breaches = createBreaches({ rangeUrl, file, onResult() {} });
  const strength = createStrengthMeter();
  closers.push(
    () => breaches.close(),
    () => strength.close(),
  );
  return createPasswordPolicy({ tenants, breaches, strength });
}

function createUsers(stores: Stores, tenants: () => Promise<TenantService>, closers: Closers) {
  return once(async (): Promise<UserService> => {
    const { createUserService } = await import('../features/user/index.ts');
    const { configuredCost, createPasswords } = await import('../infra/passwords/index.ts');
    const config = stores.config();
    const { knex } = await stores.database();
    const passwords = createPasswords({ concurrency: 1, cost: configuredCost(config) });
    closers.push(() => passwords.close());
    return createUserService({
      knex,
      clock: systemClock,
      emit: await createEmit(),
      passwords,
      tenants: await tenants(),
      passwordPolicy: await createPolicy(config, await tenants(), closers),
    });
  });
}

function createSessions(stores: Stores) {
  return once(async (): Promise<SessionService> => {
    const { createSessionService } = await import('../features/session/index.ts');
    const { createRevocations } = await import('../infra/revocations.ts');
    const { knex, pool } = await stores.database();
    const config = stores.config();
    const maxTtl = longestAccessToken(config);
    return createSessionService({
      knex,
      pool,
      emit: await createEmit(),
      clock: systemClock,
      sealer: await lateSealer(config),
      revocations: createRevocations({ redis: await stores.redis(), clock: systemClock, maxTtl }),
    });
  });
}

function createClients(stores: Stores) {
  return once(async () => {
    const { createClientService } = await import('../features/client/index.ts');
    const { knex } = await stores.database();
    return createClientService({
      knex,
      clock: systemClock,
      sealer: await lateSealer(stores.config()),
      validateMetadata: () => Promise.reject(new TypeError('only the engine can validate')),
    });
  });
}

function createResourceServers(stores: Stores) {
  return once(async (): Promise<ResourceServerService> => {
    const { createResourceServerService } = await import('../features/resource-server/index.ts');
    const { knex } = await stores.database();
    const issuer = stores.config().ISSUER;
    return createResourceServerService({ knex, clock: systemClock, issuer });
  });
}

function createCodes(stores: Stores) {
  return once(async (): Promise<OneTimeCodes> => {
    const { createOneTimeCodes } = await import('../infra/one-time-codes.ts');
    const { createLookups } = await import('../infra/lookups.ts');
    const { loadServerSecrets } = await import('../infra/server-secrets.ts');
    const { knex } = await stores.database();
    const sealer = await lateSealer(stores.config());
    const secrets = await loadServerSecrets({ knex, sealer, clock: systemClock }, 'lookups');
    return createOneTimeCodes({
      redis: await stores.redis(),
      clock: systemClock,
      lookups: createLookups(secrets),
      onResult() {},
    });
  });
}

function createUnlocks(
  stores: Stores,
  users: () => Promise<UserService>,
  codes: () => Promise<OneTimeCodes>,
) {
  return once(async (): Promise<Unlocking> => {
    const { createAttemptLimits, createUnlocking } = await import('../features/sign-in/index.ts');
    const { createRateLimits, ipBucket } = await import('../infra/rate-limits.ts');
    const { createUnlockCodes } = await import('../wiring/unlock-codes.ts');
    const { knex } = await stores.database();
    const rateLimits = createRateLimits({ redis: await stores.redis(), clock: systemClock });
    return createUnlocking({
      knex,
      emit: await createEmit(),
      users: await users(),
      attempts: createAttemptLimits(rateLimits, systemClock, ipBucket),
      unlockCodes: createUnlockCodes(await codes()),
    });
  });
}

function createConfigurationService(stores: Stores) {
  return once(async (): Promise<ConfigurationService> => {
    const { createConfigurations } = await import('../wiring/configurations.ts');
    const { knex } = await stores.database();
    const sealer = await lateSealer(stores.config());
    return createConfigurations({ knex, clock: systemClock, emit: await createEmit(), sealer });
  });
}

function createInitialAccessTokens(stores: Stores) {
  return once(async (): Promise<InitialAccessTokenService> => {
    const { createInitialAccessTokenService } = await import('../features/registration/index.ts');
    const { knex } = await stores.database();
    return createInitialAccessTokenService({ knex, clock: systemClock });
  });
}

function createTrustedIssuers(stores: Stores, users: () => Promise<UserService>) {
  return once(async () => {
    const { createTrustedIssuerService } = await import('../features/trusted-issuer/index.ts');
    const { knex } = await stores.database();
    return createTrustedIssuerService({
      knex,
      clock: systemClock,
      emit: await createEmit(),
      users: await users(),
      ownIssuer: stores.config().ISSUER,
      fetch: () => Promise.reject(new TypeError('only the service fetches keys')),
    });
  });
}

function createTenants(stores: Stores) {
  const tenants = once(async (): Promise<TenantService> => {
    const { createTenantService } = await import('../features/tenant/index.ts');
    const { knex } = await stores.database();
    return createTenantService({ knex, clock: systemClock });
  });
  async function tenant(name: string): Promise<Tenant> {
    const { PLATFORM_SLUG } = await import('../features/tenant/index.ts');
    const service = await tenants();
    const isPlatform = name.trim().toLowerCase() === PLATFORM_SLUG;
    const found = isPlatform ? await service.ensurePlatform() : await service.findByName(name);
    if (found) return found;
    throw new CliError(`There is no tenant ${JSON.stringify(name)}.`, {
      advice: 'To see them: gatehouse tenants list. To make one: gatehouse tenants create',
    });
  }
  return { tenants, tenant };
}

function createServiceDeps(stores: Stores, isVerbose: () => boolean, closers: Closers) {
  return once(async (): Promise<Deps> => {
    // Asked first, so that what is down is named; the wiring would only say that something is.
    await Promise.all([stores.database(), stores.redis()]);
    // A missing or malformed key is a fault of the configuration, and is said to be one.
    const config = stores.config();
    void (await lateSealer(config)).keyId;
    const { createDeps } = await import('../deps.ts');
    const { createLogger } = await import('../infra/logger.ts');
    const log = createLogger({
      level: isVerbose() ? config.LOG_LEVEL : 'silent',
      destination: process.stderr,
    });
    const deps = await createDeps(config, { log });
    closers.push(() => deps.close());
    return deps;
  });
}

/** @param load reads the configuration; called at the first use of it */
export function createContext(load: () => Config = loadConfig): Context {
  const closers: Closers = [];
  let loaded: Config | undefined;
  const config = (): Config => {
    loaded ??= load();
    return loaded;
  };
  const isVerbose = () => loaded?.LOG_LEVEL === 'debug' || loaded?.LOG_LEVEL === 'trace';
  const database = once(async (options: { statementTimeout?: number } = {}) => {
    const postgres = await openDatabase(config(), options.statementTimeout);
    closers.push(() => postgres.close());
    return postgres;
  });
  const redis = once(async () => {
    const connection = await openRedis(config());
    closers.push(() => connection.disconnect());
    return connection;
  });
  const stores: Stores = { config, database, redis };
  const tenants = createTenants(stores);
  const users = createUsers(stores, tenants.tenants, closers);
  const codes = createCodes(stores);
  return {
    get config() {
      return config();
    },
    isVerbose,
    database,
    redis,
    ...tenants,
    users,
    trustedIssuers: createTrustedIssuers(stores, users),
    clients: createClients(stores),
    resourceServers: createResourceServers(stores),
    sessions: createSessions(stores),
    codes,
    unlocking: createUnlocks(stores, users, codes),
    configurations: createConfigurationService(stores),
    initialAccessTokens: createInitialAccessTokens(stores),
    deps: createServiceDeps(stores, isVerbose, closers),
    async close() {
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
}

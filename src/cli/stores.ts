import type { Redis } from 'ioredis';
import { type Config, ConfigError } from '../config.ts';
import type { Postgres } from '../infra/postgres.ts';
import type { Sealer } from '../infra/sealing.ts';
import { CliError, reasonOf } from './errors.ts';

/** Connections that a command needs at most. */
const POOL_SIZE = 4;

/** Milliseconds that a command waits for a database connection. */
const ACQUIRE_TIMEOUT = 3_000;

/**
 * Opens a database that is known to answer.
 * @param statementTimeout milliseconds, 0 for none; default: the setting
 * @throws what the driver says when it does not answer
 */
export async function openDatabase(
  config: Config,
  statementTimeout = config.DATABASE_STATEMENT_TIMEOUT,
): Promise<Postgres> {
  const { createPostgres } = await import('../infra/postgres.ts');
  const postgres = createPostgres({
    url: config.DATABASE_URL.reveal(),
    poolSize: POOL_SIZE,
    acquireTimeout: ACQUIRE_TIMEOUT,
    statementTimeout,
    onError: () => {},
  });
  try {
    // The pool tells at once what is wrong, where knex would try until its time is up.
    await postgres.ping();
    return postgres;
  } catch (error) {
    await postgres.close();
    throw error;
  }
}

/** Opens a connection that is known to answer. @throws CliError saying why it does not */
export async function openRedis(config: Config): Promise<Redis> {
  const { createRedis } = await import('../infra/redis.ts');
  let first: unknown;
  const redis = createRedis({
    url: config.REDIS_URL.reveal(),
    prefix: config.REDIS_PREFIX,
    onError: (error) => {
      first ??= error;
    },
  });
  try {
    await redis.connect();
    await redis.ping();
    return redis;
  } catch (error) {
    redis.disconnect();
    throw new CliError(`Redis cannot be reached: ${reasonOf(first ?? error)}`, {
      advice: 'Check that it runs and that REDIS_URL names it; see: gatehouse doctor',
      cause: first ?? error,
    });
  }
}

/**
 * A sealer that reads its key when something is sealed or opened, and not before.
 * Its methods throw ConfigError when the key-encryption key is missing or malformed.
 */
export async function lateSealer(config: Config): Promise<Sealer> {
  const { loadSealer } = await import('../infra/key-encryption-key.ts');
  let sealer: Sealer | undefined;
  const get = (): Sealer => {
    try {
      sealer ??= loadSealer(config);
      return sealer;
    } catch (error) {
      throw new ConfigError([`the key-encryption key: ${reasonOf(error)}`]);
    }
  };
  return {
    seal: (plain, associatedData) => get().seal(plain, associatedData),
    open: (sealed, associatedData) => get().open(sealed, associatedData),
    get keyId() {
      return get().keyId;
    },
    get prefix() {
      return get().prefix;
    },
  };
}

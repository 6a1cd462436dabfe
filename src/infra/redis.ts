import { Redis } from 'ioredis';

export interface RedisOptions {
  url: string;
  /** Put before every key, so that several deployments or tests can share one server. */
  prefix: string;
  onError(error: Error): void;
}

/**
 * Opens a Redis connection that reconnects for ever and fails fast while it is
 * down: a request must answer 503, not hang in an offline queue.
 */
export function createRedis(options: RedisOptions): Redis {
  const redis = new Redis(options.url, {
    keyPrefix: options.prefix,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    connectTimeout: 2_000,
    commandTimeout: 2_000,
    enableAutoPipelining: true,
    lazyConnect: true,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 1_000),
  });
  redis.on('error', options.onError);
  return redis;
}

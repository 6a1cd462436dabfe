/** Node's codes for a peer that cannot be reached or went away. */
const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/**
 * SQLSTATEs that say the server cannot serve now: class 08 connection, 57P0x
 * shutdown and start, 53x00 out of resources, 57014 statement timeout, 55P03
 * lock timeout, 25006 read-only standby after a failover.
 */
const SQLSTATE = /^(?:08\d{3}|57P0[1-5]|53[0-3]00|57014|55P03|25006)$/;

/** Error classes of knex and ioredis, which carry no code. */
const CLASSES = new Set(['KnexTimeoutError', 'MaxRetriesPerRequestError', 'ClusterAllFailedError']);

/** Messages of pg and ioredis errors that are plain `Error`: they have neither code nor class. */
const MESSAGES = [
  /^Connection terminated/,
  /^timeout exceeded when trying to connect$/,
  /^Client has encountered a connection error and is not queryable$/,
  /^Query read timeout$/,
  /^Connection is closed\.$/,
  /^Stream isn't writeable/,
  /^Command timed out$/,
  /^Command aborted due to connection close$/,
];

/** Redis replies of a server that cannot serve now: starting, failing over, full. */
const REDIS_REPLY =
  /^(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|OOM|BUSY|UNBLOCKED)\b/;

interface ErrorLike {
  code?: unknown;
  name?: unknown;
  message?: unknown;
  errors?: unknown;
}

/**
 * Whether an error means that Postgres or Redis is down or too slow, rather than
 * that we asked something wrong. Only the error itself is looked at, not its
 * cause: a failed call to a third party is not this service being down.
 * Recognises pg 8, knex 3 and ioredis 6.
 */
export function isDependencyFailure(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { code, name, message, errors } = error as ErrorLike;
  // One attempt per address of a host name (happy eyeballs) ends in an AggregateError.
  if (Array.isArray(errors) && errors.length > 0 && error instanceof AggregateError) {
    return errors.every(isDependencyFailure);
  }
  if (typeof code === 'string' && (SYSTEM_CODES.has(code) || SQLSTATE.test(code))) return true;
  if (typeof name === 'string' && CLASSES.has(name)) return true;
  if (typeof message !== 'string') return false;
  if (name === 'ReplyError') return REDIS_REPLY.test(message);
  return MESSAGES.some((pattern) => pattern.test(withoutSql(message)));
}

/** knex puts the statement before the driver's message: `select … - Connection terminated`. */
export const withoutSql = (message: string): string =>
  message.slice(message.lastIndexOf(' - ') + 1).replace(/^- /, '');

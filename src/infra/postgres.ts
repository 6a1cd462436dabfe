import type { Socket } from 'node:net';
import knexFactory, { type Knex } from 'knex';
import pg from 'pg';
import { createLifeline } from './lifeline.ts';

/** Connections of the lifeline itself. */
const LIFELINE_CONNECTIONS = 1;

/**
 * Two doors to one database. `knex` serves repositories and transactions;
 * `pool` serves the engine's hot path with named prepared statements, which
 * knex cannot give.
 */
export interface Postgres {
  knex: Knex;
  pool: pg.Pool;
  /** A socket for a further connection, cut with all others when the database falls silent. */
  createSocket(): Socket;
  /** Rejects when the database does not answer a trivial query. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

export interface PostgresOptions {
  url: string;
  /** Connections of this process in all; one third goes to knex. */
  poolSize: number;
  /** Milliseconds to wait for a connection before the request fails. */
  acquireTimeout: number;
  /** Milliseconds after which the server ends a statement. */
  statementTimeout: number;
  onError(error: Error): void;
}

/** Opens the pools; connects lazily, so that a database that is down does not stop the start. */
export function createPostgres(options: PostgresOptions): Postgres {
  const forKnex = Math.max(2, Math.floor(options.poolSize / 3));
  const lifeline = createLifeline(options.url);
  const connection = {
    connectionString: options.url,
    statement_timeout: options.statementTimeout,
    application_name: 'gatehouse',
    keepAlive: true,
    stream: () => lifeline.createSocket(),
  };
  const knex = knexFactory({
    client: 'pg',
    connection,
    pool: { min: 0, max: forKnex },
    acquireConnectionTimeout: options.acquireTimeout,
    // knex prints to the console by default; what it has to say comes as an error as well.
    log: { warn() {}, error() {}, deprecate() {}, debug() {} },
  });
  const pool = new pg.Pool({
    ...connection,
    max: Math.max(2, options.poolSize - forKnex - LIFELINE_CONNECTIONS),
    connectionTimeoutMillis: options.acquireTimeout,
    idleTimeoutMillis: 30_000,
  });
  pool.on('error', options.onError);
  return {
    knex,
    pool,
    createSocket: () => lifeline.createSocket(),
    ping: async () => {
      await pool.query('SELECT 1');
    },
    close: async () => {
      await Promise.all([knex.destroy(), pool.end(), lifeline.stop()]);
    },
  };
}

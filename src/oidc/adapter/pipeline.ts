import { Socket } from 'node:net';
import pg from 'pg';

/** A prepared statement with its parameters. */
export interface Statement {
  name: string;
  text: string;
  values: unknown[];
}

/** What the adapter needs of a database: a `pg.Pool` has it, and so have the lanes below. */
export interface Database {
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(
    statement: Statement,
  ): Promise<{ rows: R[]; rowCount: number | null }>;
}

/** One carries thousands of reads a second. */
const READERS = 1;

/** Several, so that commits share a flush of the log. */
const WRITERS = 6;

/** Connections that a pipeline opens by default. */
export const PIPELINE_CONNECTIONS = READERS + WRITERS;

export interface PipelineOptions {
  url: string;
  /** Connections that read. */
  readers?: number;
  /** Connections that write. */
  writers?: number;
  /** Makes the socket of a connection; a plain one by default. */
  createSocket?: () => Socket;
  /** Milliseconds to wait for a connection. */
  connectTimeout: number;
  /** Milliseconds after which the server ends a statement. */
  statementTimeout: number;
  onError(error: Error): void;
}

export interface Pipeline {
  reads: Database;
  writes: Database;
  close(): Promise<void>;
}

interface Lane extends Database {
  /** Statements sent and not answered. */
  readonly load: number;
  close(): Promise<void>;
}

/**
 * One connection that does not wait for an answer before it sends the next
 * statement. Each statement is a transaction of its own (every one ends in a
 * Sync), so that they share nothing but the wire; answers come in order. What
 * is asked in one turn of the event loop leaves in one packet: the system calls
 * are what a short statement costs most.
 *
 * A lost connection fails what is on it; the next statement opens another.
 */
function createLane(options: PipelineOptions): Lane {
  let opened: Promise<{ client: pg.Client; socket: Socket }> | undefined;
  let load = 0;

  async function open(forget: () => void) {
    const socket = options.createSocket?.() ?? new Socket();
    const client = new pg.Client({
      connectionString: options.url,
      statement_timeout: options.statementTimeout,
      connectionTimeoutMillis: options.connectTimeout,
      application_name: 'gatehouse',
      keepAlive: true,
      stream: () => socket,
      // In pg since 8.22, not yet in its types.
      ...({ pipeline: true } as object),
    });
    client.on('error', (error) => {
      forget();
      options.onError(error);
    });
    client.on('end', forget);
    await client.connect();
    return { client, socket };
  }

  function reopen() {
    // A connection that ends late must not take its successor with it.
    const forget = (): void => {
      if (opened === mine) opened = undefined;
    };
    const mine = open(forget);
    mine.catch(forget);
    return mine;
  }

  function gather(socket: Socket): void {
    if (socket.writableCorked > 0) return;
    socket.cork();
    setImmediate(() => socket.uncork());
  }

  return {
    get load() {
      return load;
    },
    async query(statement) {
      load += 1;
      try {
        opened ??= reopen();
        const { client, socket } = await opened;
        gather(socket);
        return await client.query(statement);
      } finally {
        load -= 1;
      }
    },
    async close() {
      const connection = await opened?.catch(() => undefined);
      await connection?.client.end();
    },
  };
}

const createLanes = (count: number, options: PipelineOptions) => {
  const lanes = Array.from({ length: count }, () => createLane(options));
  const database: Database = {
    query: (statement) =>
      lanes.reduce((best, lane) => (lane.load < best.load ? lane : best)).query(statement),
  };
  return { database, lanes };
};

/**
 * Opens the engine's hot path to Postgres: pipelined connections, reads apart
 * from writes, which wait for the log to reach the disk. A refresh costs about
 * half the processor time that it does over a `pg.Pool`. Connects lazily.
 * For single statements only: transactions belong on knex.
 */
export function createPipeline(options: PipelineOptions): Pipeline {
  const reads = createLanes(options.readers ?? READERS, options);
  const writes = createLanes(options.writers ?? WRITERS, options);
  return {
    reads: reads.database,
    writes: writes.database,
    close: async () => {
      await Promise.all([...reads.lanes, ...writes.lanes].map((lane) => lane.close()));
    },
  };
}

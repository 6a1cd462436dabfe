import { Socket } from 'node:net';
import pg from 'pg';

/** Milliseconds between two questions. */
const INTERVAL = 1_000;

/** Milliseconds that a database may take for a trivial answer before it counts as down. */
const PATIENCE = 3_000;

/**
 * Tells whether a database still answers, over a connection of its own. A server
 * that is frozen or behind a broken network keeps connections open and says
 * nothing, for minutes: then every socket made here is cut, so that what waits
 * on it fails at once, and new ones fail until the database answers again.
 */
export interface Lifeline {
  /** A socket for a connection to this database; starts the watch. */
  createSocket(): Socket;
  stop(): Promise<void>;
}

const silent = (): Error => new Error('Connection terminated: the database does not answer');

/** Lets what has arrived be read before time is called: the process itself may have been busy. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

async function inTime<T>(work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => void settled().then(() => late.reject(silent())), PATIENCE);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}

/** @param url of the database; one connection is opened beside those that use the sockets */
export function createLifeline(url: string): Lifeline {
  const sockets = new Set<Socket>();
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isWatching = false;
  let isDown = false;

  class WatchedSocket extends Socket {
    override connect(...args: unknown[]): this {
      if (isDown) process.nextTick(() => this.destroy(silent()));
      else super.connect(...(args as Parameters<Socket['connect']>));
      return this;
    }
  }

  function drop(): void {
    const dropped = client;
    client = undefined;
    dropped?.end().catch(() => {});
  }

  async function ask(): Promise<void> {
    if (!client) {
      client = new pg.Client({
        connectionString: url,
        connectionTimeoutMillis: PATIENCE,
        application_name: 'gatehouse-lifeline',
        keepAlive: true,
      });
      // What went wrong is told by the question that fails.
      client.on('error', () => {});
      await inTime(client.connect());
    }
    await inTime(client.query('SELECT 1'));
  }

  /** Only this connection may have been lost: another one decides. */
  async function askAgain(error: unknown): Promise<void> {
    const wasOpen = client !== undefined;
    drop();
    if (!wasOpen || (error as Error).message === silent().message) throw error;
    await ask();
  }

  async function beat(): Promise<void> {
    try {
      await ask().catch(askAgain);
      isDown = false;
    } catch {
      drop();
      if (isWatching && !isDown) {
        isDown = true;
        for (const socket of sockets) socket.destroy(silent());
      }
    }
    if (isWatching) timer = setTimeout(beat, INTERVAL).unref();
  }

  return {
    createSocket() {
      if (!isWatching) {
        isWatching = true;
        timer = setTimeout(beat, INTERVAL).unref();
      }
      const socket = new WatchedSocket();
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      return socket;
    },
    async stop() {
      isWatching = false;
      clearTimeout(timer);
      drop();
    },
  };
}

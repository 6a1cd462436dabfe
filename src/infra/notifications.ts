import type { Socket } from 'node:net';
import pg from 'pg';

/**
 * Words from the database (LISTEN), over one connection of its own that comes
 * back by itself. Postgres and not Redis carries them, as they are sent with
 * the commit of the change they tell of, or not at all. A word can be lost
 * while the connection is: whoever listens is therefore told at each connect,
 * and must look by itself now and then.
 */
export interface Notifications {
  /** Calls `onWord` at each word on the channel, and whenever one may have been missed. */
  listen(channel: string, onWord: () => void): void;
  close(): Promise<void>;
}

/** Connections that this takes. */
export const NOTIFICATION_CONNECTIONS = 1;

/** Milliseconds between two attempts to connect. */
const RETRY = 1_000;

export function createNotifications(options: {
  url: string;
  createSocket(): Socket;
  /** Milliseconds to wait for a connection. */
  connectTimeout: number;
  /** Told once each time that the connection is lost. */
  onError(error: Error): void;
}): Notifications {
  const listeners = new Map<string, Set<() => void>>();
  let client: pg.Client | undefined;
  let retry: NodeJS.Timeout | undefined;
  let isUp = false;
  let isClosed = false;

  const tell = (channel: string): void => {
    for (const onWord of listeners.get(channel) ?? []) onWord();
  };

  function lost(which: pg.Client, error: Error): void {
    if (which !== client) return;
    client = undefined;
    which.end().catch(() => {});
    if (isUp) options.onError(error);
    isUp = false;
    if (!isClosed) retry = setTimeout(() => void connect(), RETRY).unref();
  }

  async function connect(): Promise<void> {
    retry = undefined;
    const connection = new pg.Client({
      connectionString: options.url,
      connectionTimeoutMillis: options.connectTimeout,
      application_name: 'gatehouse-notifications',
      keepAlive: true,
      stream: () => options.createSocket(),
    });
    client = connection;
    connection.on('error', (error) => lost(connection, error));
    connection.on('end', () => lost(connection, new Error('the connection was closed')));
    connection.on('notification', ({ channel }) => tell(channel));
    try {
      await connection.connect();
      for (const channel of listeners.keys()) await subscribe(connection, channel);
      isUp = true;
    } catch (error) {
      lost(connection, error as Error);
    }
  }

  async function subscribe(connection: pg.Client, channel: string): Promise<void> {
    await connection.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
    tell(channel);
  }

  return {
    listen(channel, onWord) {
      const known = listeners.get(channel) ?? new Set();
      listeners.set(channel, known.add(onWord));
      if (!client && !retry) void connect();
      else if (client && isUp) {
        const connection = client;
        subscribe(connection, channel).catch((error) => lost(connection, error));
      }
    },
    async close() {
      isClosed = true;
      clearTimeout(retry);
      const last = client;
      client = undefined;
      await last?.end().catch(() => {});
    },
  };
}

import type { Redis } from 'ioredis';
import type { ClientService } from '../features/client/index.ts';
import type { Restart } from '../web/error-pages.ts';

/** Seconds that an expired interaction can still be started again. */
const LIFETIME = 24 * 3_600;

/** Largest request that is kept, in characters of JSON. */
const LARGEST = 8_192;

/**
 * Remembers the authorization request behind an interaction for longer than
 * the interaction lives. All in it came with the browser's own URL, so that a
 * person who returns to a dead page is given a link that works.
 */
export interface Restarts {
  remember(uid: string, params: Record<string, unknown>): Promise<void>;
  /** The path that starts the same request again, with the tenant of its client; if remembered. */
  find(uid: string): Promise<Restart | undefined>;
}

type Params = Record<string, unknown>;

const key = (uid: string): string => `restart:${uid}`;

function toPath(params: Params): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && item !== null) query.append(name, String(item));
    }
  }
  return `/authorize?${query}`;
}

/** @param clients tell whose a request was, so that its end looks like its beginning */
export function createRestarts(redis: Redis, clients: Pick<ClientService, 'find'>): Restarts {
  /** A client that is gone or cannot be read costs the page its colour, not the way on. */
  async function findTenantId({ client_id: clientId }: Params): Promise<string | undefined> {
    if (typeof clientId !== 'string') return undefined;
    return (await clients.find(clientId).catch(() => undefined))?.tenantId;
  }

  return {
    async remember(uid, params) {
      const text = JSON.stringify(params);
      if (text.length <= LARGEST) await redis.set(key(uid), text, 'EX', LIFETIME);
    },
    async find(uid) {
      if (!/^[\w-]{1,64}$/.test(uid)) return undefined;
      const text = await redis.get(key(uid));
      if (!text) return undefined;
      const params = JSON.parse(text) as Params;
      return { path: toPath(params), tenantId: await findTenantId(params) };
    },
  };
}
